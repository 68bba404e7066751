"""Does the dataplane really do IPv6, or does something hide that it does not? That is the question."""

__version__ = "0.1.0"
