"""Pages made a column at a time are those made row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_otel.clearml.table_pages import MAX_ROWS, Page, TablePages

NUMBERS = st.integers() | st.floats() | st.booleans()
# most columns are of one kind, with blanks
COLUMNS = st.sampled_from(
    [
        st.text(st.characters(), max_size=80),
        st.none() | st.text(max_size=5),
        st.integers(0, 200_000),
        st.none() | st.integers(),
        st.none() | st.floats(),
        st.none() | NUMBERS | st.text(max_size=3) | st.binary(max_size=3),
    ]
)
TABLES = st.lists(COLUMNS, max_size=5).flatmap(
    lambda columns: st.lists(st.tuples(*columns), max_size=8)
)


def row_by_row(columns: list[str], rows: list[Any]) -> list[Page]:
    pages = TablePages(columns, rows)
    pages._fits = False
    return list(pages)


@settings(max_examples=200, deadline=None)
@given(TABLES)
def test_both_ways_give_the_same(rows: list[Any]) -> None:
    columns = [f"c{number}" for number in range(len(rows[0]) if rows else 2)]
    assert list(TablePages(columns, rows)) == row_by_row(columns, rows)


@pytest.mark.parametrize("words", [10, 400, 40_000])
def test_the_same_rows_are_on_a_page_however_long_they_are(words: int) -> None:
    rows = [(number, 'a "word" ' * words, None) for number in range(24_000 // words + 60)]
    pages = list(TablePages(["n", "text", "blank"], rows))
    assert pages == row_by_row(["n", "text", "blank"], rows)
    assert sum(page.rows for page in pages) == len(rows)


def test_long_tables_have_pages_of_so_many_rows() -> None:
    pages = list(TablePages(["n"], [(number,) for number in range(2 * MAX_ROWS + 1)]))
    assert [page.rows for page in pages] == [MAX_ROWS, MAX_ROWS, 1]
    assert json.loads(pages[1].cells) == [list(range(MAX_ROWS, 2 * MAX_ROWS))]


def test_widths_are_those_of_the_longest_cells() -> None:
    rows: list[tuple[Any, ...]] = [(5, -1_234_567, None, "x" * 7), (99_999, 2, 0.125, None)]
    assert TablePages(["a", "b", "c", "d"], rows).widths == [6, 8, 6, 7]
