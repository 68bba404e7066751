"""JSON lines through a verb: one line in, one line out, in order, whatever stands on them."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import BinaryIO

from dataplane.commands.verb import Exit

_CHUNK = 1 << 16


def answer_lines(
    answer: Callable[[bytes], tuple[str, Exit]], refuse: Callable[[str], str], *, limit: int
) -> int:
    """Answer every line of standard input on standard output; return the gravest exit code.

    `answer` gets a line without its line feed; of one longer than `limit` octets it gets one octet
    more than that, to refuse it. What `answer` fails at is answered by `refuse`, so that a fault
    costs one answer and not all that follow. Each answer is flushed: a pipe can talk in turns.
    """
    gravest = Exit.HOLDS
    for line in read_lines(sys.stdin.buffer, limit=limit):
        try:
            text, code = answer(line)
        except Exception as fault:  # noqa: BLE001 - the next lines are owed their answers
            if os.environ.get("SIXSCOPE_TRACEBACK"):
                traceback.print_exception(fault)
            kind = type(fault).__name__
            hint = "a fault of sixscope; SIXSCOPE_TRACEBACK=1 shows where"
            text, code = refuse(f"{kind} ({hint})"), Exit.REFUSED
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        gravest = max(gravest, code)
    return gravest


def read_lines(stream: BinaryIO, *, limit: int) -> Iterator[bytes]:
    """Yield the lines of a stream without their line feeds, cut behind `limit` + 1 octets."""
    while line := stream.readline(limit + 1):
        if not line.endswith(b"\n") and len(line) > limit:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(_CHUNK)
        yield line.removesuffix(b"\n")
