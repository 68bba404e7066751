"""Evidence on disk: JSON lines, one header and then one value per line. It never holds answers."""

from dataplane.record.lines import MAX_LINE_BYTES, parse, serialize
from dataplane.record.recording import MAX_BYTES, read, write

__all__ = ["MAX_BYTES", "MAX_LINE_BYTES", "parse", "read", "serialize", "write"]
