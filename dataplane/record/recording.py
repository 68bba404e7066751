"""Recordings as files: readable by their owner alone, whole or not there, and bounded in size."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dataplane.model.evidence import Evidence
from dataplane.model.problem import InvalidInputError
from dataplane.record.lines import MAX_LINE_BYTES, parse, serialize
from dataplane.rules.fielderror import unreadable

MAX_BYTES = 1024 * 1024 * 1024
"""The size of a recording at most, about three million packets."""


def write(path: Path, evidence: Evidence, *, limit: int = MAX_BYTES) -> int:
    """Write a recording (mode 0600) in place of whatever is there, and return its size in octets.

    It is written beside `path` and then renamed, so that a reader never sees half of one.
    InvalidInputError when it would exceed `limit`; OSError as the file system has it. Nothing is
    left behind in either case.
    """
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file, and not to be replaced by one", str(path))
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            size = _write(file, serialize(evidence), path, limit)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    return size


def read(path: Path, *, limit: int = MAX_BYTES) -> Evidence:
    """Read a recording; InvalidInputError with the line, what is wrong and what to do."""
    with path.open("rb") as file:
        return parse(_lines(file, path, limit), path.name)


def _write(file: BinaryIO, lines: Iterable[bytes], path: Path, limit: int) -> int:
    size = 0
    for line in lines:
        size += len(line)
        if size > limit:
            raise _too_big(path, limit, "record for a shorter time, or watch fewer interfaces")
        file.write(line)
    return size


def _lines(file: BinaryIO, path: Path, limit: int) -> Iterator[bytes]:
    """Yield the lines of a file, none read farther than may be believed."""
    size = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        size += len(line)
        if size > limit:
            raise _too_big(path, limit, "replay a recording that sixscope wrote itself")
        yield line


def _too_big(path: Path, limit: int, remedy: str) -> InvalidInputError:
    detail = f"the recording is bigger than {limit} octets"
    return InvalidInputError(path.name, [unreadable(detail, remedy=remedy)])
