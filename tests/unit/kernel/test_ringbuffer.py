"""The reader of ring buffers, on memory that is written as the kernel writes it."""

import mmap
import os
import struct

import pytest

from dataplane.kernel.ringbuffer import BUSY, DISCARDED, RingReader

SIZE = 4096


class Memory:
    """What the kernel maps; here the data's second place does not mirror the first by itself."""

    def __init__(self):
        self.descriptor = os.memfd_create("ring")
        os.ftruncate(self.descriptor, 2 * mmap.PAGESIZE + 2 * SIZE)
        self.produced = 0

    def write(self, content, *, bits=0):
        record = struct.pack("=II", len(content) | bits, 0) + content
        record = record.ljust((len(record) + 7) // 8 * 8, b"\0")
        at = self.produced % SIZE
        for copy in (0, SIZE):
            for place, octet in enumerate(record):
                where = (at + place) % SIZE + copy
                os.pwrite(self.descriptor, bytes([octet]), 2 * mmap.PAGESIZE + where)
        self.produced += len(record)
        os.pwrite(self.descriptor, struct.pack("=Q", self.produced), mmap.PAGESIZE)

    def consumed(self):
        return struct.unpack("=Q", os.pread(self.descriptor, 8, 0))[0]


@pytest.fixture
def memory():
    made = Memory()
    yield made
    os.close(made.descriptor)


@pytest.fixture
def reader(memory):
    with RingReader(memory.descriptor, SIZE) as opened:
        yield opened


def taken(reader):
    got = []
    reader.consume(got.append)
    return got


def test_records_come_once_in_order_and_their_room_is_given_back(memory, reader):
    for content in (b"one", b"three four", b""):
        memory.write(content)
    assert taken(reader) == [b"one", b"three four", b""]
    assert taken(reader) == []
    assert memory.consumed() == memory.produced == 16 + 24 + 8


def test_what_was_given_up_is_passed_over(memory, reader):
    memory.write(b"given up", bits=DISCARDED)
    memory.write(b"kept")
    assert taken(reader) == [b"kept"]


def test_nothing_behind_a_record_that_is_being_written_is_read(memory, reader):
    memory.write(b"first")
    memory.write(b"unfinished", bits=BUSY)
    memory.write(b"later")
    assert taken(reader) == [b"first"]
    assert memory.consumed() == 16


def test_a_record_across_the_end_comes_in_one_piece(memory, reader):
    for number in range(200):
        content = bytes([number]) * 100
        memory.write(content)
        assert taken(reader) == [content]
    assert memory.produced > 5 * SIZE
