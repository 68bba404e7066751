"""Pages: every entry once, whatever the limit; no cursor but our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.api import paging
from dataplane.api.paging import BadQueryError, Cursor, Query, cut
from dataplane.model.address import Family

FAMILIES = st.lists(st.sampled_from(Family), max_size=60)


@given(table=st.integers(0, 2**64 - 1), offset=st.integers(0, 2**64 - 1))
def test_a_cursor_reads_as_it_was_written(table, offset):
    cursor = Cursor(table=table, offset=offset)
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text(max_size=40))
def test_anything_else_is_no_cursor(text):
    try:
        cursor = Cursor.parse(text)
    except BadQueryError as refused:
        assert "not one of ours" in str(refused)  # noqa: PT017 - both outcomes are judged
    else:
        assert len(text) == len(str(cursor))


@given(rows=FAMILIES, limit=st.integers(1, 20), family=st.sampled_from([None, *Family]))
def test_a_walk_meets_every_entry_once(rows, limit, family):
    numbered = list(enumerate(rows))
    found, cursor, scan = [], None, paging.SCAN
    paging.SCAN = 7
    try:
        for _ in range(len(rows) + 1):
            query = Query(limit=limit, cursor=cursor, family=family)
            page = cut(numbered, query, table=3, family=lambda row: row[1])
            assert len(page.items) <= limit
            assert page.total == len(rows)
            found += page.items
            cursor = page.next
            if cursor is None:
                break
            assert cursor.table == 3
    finally:
        paging.SCAN = scan
    assert cursor is None
    assert found == [row for row in numbered if family in {None, row[1]}]


def test_a_cursor_behind_the_end_is_refused():
    assert cut([1, 2], Query(cursor=Cursor(table=0, offset=2))).items == ()
    with pytest.raises(BadQueryError, match="2 entries"):
        cut([1, 2], Query(cursor=Cursor(table=0, offset=3)))
