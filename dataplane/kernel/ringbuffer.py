"""Reading a ring buffer (`BPF_MAP_TYPE_RINGBUF`) without a library, as kernel/bpf/ringbuf.c lays it out.

A page with the consumer's position, one with the producer's, then the data, mapped twice in a row so
that no record is ever in two pieces. Positions only grow; a record is its length, with a bit for
"not written yet" and one for "given up", four octets that are not ours, and its octets.
"""

import mmap
import struct
from collections.abc import Callable

from dataplane.kernel.closing import Closing

BUSY, DISCARDED = 1 << 31, 1 << 30
HEADER = 8
_POSITION = struct.Struct("=Q")
_LENGTH = struct.Struct("=I")


class RingReader(Closing):
    """The consumer of a ring buffer of `size` octets; one thread at a time reads."""

    def __init__(self, descriptor: int, size: int) -> None:
        page = mmap.PAGESIZE
        self._size = size
        self._consumer = mmap.mmap(descriptor, page)
        try:
            self._producer = mmap.mmap(
                descriptor, page + 2 * size, prot=mmap.PROT_READ, offset=page
            )
        except BaseException:
            self._consumer.close()
            raise
        self._data = page

    def consume(self, sink: Callable[[bytes], None]) -> None:
        """Hand every record that is written to the sink, and give its room back."""
        (at,) = _POSITION.unpack_from(self._consumer)
        while at < _POSITION.unpack_from(self._producer)[0]:
            place = self._data + at % self._size
            (word,) = _LENGTH.unpack_from(self._producer, place)
            if word & BUSY:
                return
            length = word & ~DISCARDED
            if not word & DISCARDED:
                sink(self._producer[place + HEADER : place + HEADER + length])
            at += (HEADER + length + 7) // 8 * 8
            _POSITION.pack_into(self._consumer, 0, at)

    def close(self) -> None:
        """Let go of the memory; a second time nothing happens."""
        self._producer.close()
        self._consumer.close()
