"""The floor: frozen values that every other package speaks in. No I/O, no clock, no opinion."""
