"""One fault per file, each ending in `FAULT = Fault(...)`. A fault is used by a scenario."""
