"""The HTTP endpoint: read only, loopback by default. `source` is what it reads, `server` what serves it."""
