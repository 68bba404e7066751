"""Bounded queries: at most `limit` entries at a time, the rest behind an opaque cursor."""

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dataplane.model.address import Family

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
SCAN = 2 * MAX_LIMIT  # entries that one filtered page may look at, so that no page is long work
SLICE = 250
_CURSOR = struct.Struct(">QQ")
_CURSOR_TEXT = 22  # 16 octets in base64url without padding

T = TypeVar("T")


class BadQueryError(ValueError):
    """A query that cannot be answered: which parameter, what is wrong with it, what is allowed."""


class GoneError(Exception):
    """A cursor into something that is no longer held; the walk begins anew without a cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a walk goes on: the number of the table and the offset of the next entry in it."""

    table: int
    offset: int

    def __str__(self) -> str:
        raw = _CURSOR.pack(self.table, self.offset)
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read a cursor as it was handed out; BadQueryError for anything else."""
        try:
            if len(text) != _CURSOR_TEXT:
                raise BadQueryError  # noqa: TRY301 - one place words the refusal
            raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
            table, offset = _CURSOR.unpack(raw)
        except (BadQueryError, binascii.Error, ValueError, struct.error) as failure:
            raise BadQueryError(
                "cursor: not one of ours; pass `next` of the page before, unchanged"
            ) from failure
        return cls(table=table, offset=offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of a list. `family` keeps entries of one family; None keeps both."""

    limit: int = DEFAULT_LIMIT
    cursor: Cursor | None = None
    family: Family | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list.

    `next` is None at the end. `total` counts the whole list, whatever the query keeps of it.
    `skipped` counts entries between the cursor and this page that are no longer held.
    A filtered page may hold fewer entries than asked for, even none, before the end.
    """

    items: tuple[T, ...]
    next: Cursor | None
    total: int
    skipped: int = 0


def cut(
    rows: Sequence[T], query: Query, *, table: int = 0, family: Callable[[T], Family] | None = None
) -> Page[T]:
    """Cut one page out of a sequence. Only this page's entries are looked at, SCAN at most.

    BadQueryError when the cursor points behind the end.
    """
    offset = query.cursor.offset if query.cursor else 0
    total = len(rows)
    if offset > total:
        raise BadQueryError(f"cursor: points behind the end; there are {total} entries")
    if query.family is None or family is None:
        items = tuple(rows[offset : offset + query.limit])
        end = offset + len(items)
    else:
        items, end = _kept(rows, offset, query, family)
    following = Cursor(table=table, offset=end) if end < total else None
    return Page(items=items, next=following, total=total)


def _kept(
    rows: Sequence[T], offset: int, query: Query, family: Callable[[T], Family]
) -> tuple[tuple[T, ...], int]:
    """Return the entries of one family, and where to go on; slice by slice, as rows may be lazy."""
    kept: list[T] = []
    end = min(len(rows), offset + SCAN)
    for start in range(offset, end, SLICE):
        for position, row in enumerate(rows[start : min(start + SLICE, end)], start):
            if family(row) is query.family:
                kept.append(row)
                if len(kept) == query.limit:
                    return tuple(kept), position + 1
    return tuple(kept), end
