"""A table's cells as JSON by column, in pages that ClearML takes and a browser shows.

Most columns hold plain text or plain numbers from the first row to the last: these are checked and
encoded a column at a time. Only a page that does not fit is looked at row by row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from typing import Any, Final, NamedTuple, TypeAlias, cast

from clearml_otel.clearml.encoding import LARGEST_EXACT_INT, Cell, cell, escaped_length

MAX_PLOT: Final = 8_000_000
"""Escaped characters of one plot; a table over it is paged."""

MAX_ROWS: Final = 5_000
"""Rows of one page of a table: more is slow in a browser."""

MAX_CELL: Final = 2_000_000
"""Escaped characters of one table cell; a longer text is cut."""

Cells: TypeAlias = "Sequence[Cell]"

_LAYOUT_RESERVE: Final = 4_000
_WIDTHS: Final = (6, 60)
_SMALL: Final = 100_000
_MOST_ESCAPED: Final = 14
"""Characters that one character takes at most: a surrogate pair, escaped twice."""
_MOST_OF_NUMBER: Final = 100
"""More than what a number takes."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a table: how many, and the JSON of their cells, a list a column."""

    rows: int
    cells: str


class _Column(NamedTuple):
    """The cells of a column, and those of them that are not missing."""

    cells: Cells
    known: Cells


class TablePages:
    """The pages of a table; each is made when it is asked for.

    Args:
        columns: the names of the columns.
        rows: the cells by row, values of any kind; missing cells at the end of a row are blank.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        width = max(chain([len(columns)], map(len, rows)))
        header = [_cut(cell(name), MAX_CELL // max(width, 1) + 100) for name in columns]
        self.header: list[Cell] = [*header, *([""] * (width - len(header)))]
        self._rows = rows
        self._room = MAX_PLOT - _LAYOUT_RESERVE - _cost(self.header) - 10 * width
        self._fits = True
        self.widths = self._column_widths()

    def __iter__(self) -> Iterator[Page]:
        """The pages in the order of the rows; one at least."""
        start = 0
        while True:
            rows = self._rows[start : start + MAX_ROWS]
            page = self._whole(rows) if self._fits else None
            if page is None:
                # so will be the pages after it
                self._fits = False
                page = self._first_that_fit(rows)
            yield page
            start += page.rows
            if start >= len(self._rows):
                return

    def _whole(self, rows: Sequence[Sequence[object]]) -> Page | None:
        """All these rows as a page, if that is not too large and no cell must be cut."""
        columns = [_cleaned(column) for column in self._by_column(rows)]
        longest = sum(_longest_text(column.known) for column in columns)
        if _MOST_ESCAPED * longest + _MOST_OF_NUMBER * len(columns) > MAX_CELL:
            # of one row, should its texts be the longest of all rows
            return None
        texts = [json.dumps(column.cells) for column in columns]
        # as many characters as the rows would take one by one
        size = sum(map(escaped_length, texts)) + 2 * len(rows)
        return Page(len(rows), f"[{', '.join(texts)}]") if size <= self._room else None

    def _first_that_fit(self, rows: Sequence[Sequence[object]]) -> Page:
        page: list[list[Cell]] = []
        size = 0
        for row in rows:
            padding = [""] * (len(self.header) - len(row))
            fitted, cost = _fitted([cell(value) for value in row] + padding, self._room)
            if page and size + cost > self._room:
                break
            page.append(fitted)
            size += cost
        return Page(len(page), json.dumps([[row[i] for row in page] for i in self._places]))

    @property
    def _places(self) -> range:
        return range(len(self.header))

    def _column_widths(self) -> list[int]:
        """What the longest cells need, within bounds."""
        widths = [_wider(_WIDTHS[0], [name]) for name in self.header]
        for start in range(0, len(self._rows), MAX_ROWS):
            rows = self._rows[start : start + MAX_ROWS]
            for place, column in enumerate(self._by_column(rows)):
                # a column at its widest gets no more
                if widths[place] < _WIDTHS[1]:
                    widths[place] = _wider(widths[place], _cleaned(column).known)
        return widths

    def _by_column(self, rows: Sequence[Sequence[object]]) -> list[Sequence[object]]:
        width = len(self.header)
        if not {width}.issuperset(map(len, rows)):
            rows = [[*row, *([""] * (width - len(row)))] for row in rows]
        return list(zip(*rows, strict=True)) if rows else [()] * width


def _all_exact(column: Sequence[Any]) -> bool:
    return min(column) >= -LARGEST_EXACT_INT and max(column) <= LARGEST_EXACT_INT


_AS_THEY_ARE: Final[Mapping[type, Callable[[Sequence[Any]], bool]]] = {
    str: lambda column: all(map(str.isascii, column)),
    int: _all_exact,
    float: lambda column: all(map(isfinite, column)),
    bool: lambda _: True,
}
"""Whether values of a type are cells of a table as they are."""


def _cleaned(column: Sequence[object]) -> _Column:
    """A column's cells; :func:`~clearml_otel.clearml.encoding.cell` for many at once."""
    kinds = set(map(type, column))
    blank = type(None) in kinds
    kinds.discard(type(None))
    if not kinds:
        return _Column([""] * len(column), ())
    known = [value for value in column if value is not None] if blank else column
    are_cells = _AS_THEY_ARE.get(kinds.pop()) if len(kinds) == 1 else None
    if are_cells is None or not are_cells(known):
        cells = [cell(value) for value in column]
        return _Column(cells, cells)
    filled = ["" if value is None else value for value in column] if blank else column
    return _Column(cast("Cells", filled), cast("Cells", known))


def _longest_text(cells: Cells) -> int:
    kinds = set(map(type, cells))
    if str not in kinds:
        return 0
    texts = cast("Sequence[str]", cells)
    return max(map(len, texts if len(kinds) == 1 else [v for v in texts if type(v) is str]))


def _wider(width: int, cells: Cells) -> int:
    """The width that the cells of a column need, ``width`` at least."""
    kinds = set(map(type, cells))
    if kinds == {str}:
        longest = max(map(len, cast("Sequence[str]", cells)))
    elif kinds == {int}:
        numbers = cast("Sequence[int]", cells)
        longest = max(_length(min(numbers)), _length(max(numbers)))
    else:
        longest = max(map(_length, cells), default=0)
    return min(max(width, longest), _WIDTHS[1])


def _length(value: Cell) -> int:
    """Characters that a cell needs; small counters need no room."""
    if isinstance(value, str):
        return len(value)
    return 0 if type(value) is int and 0 <= value < _SMALL else len(repr(value))


def _fitted(row: list[Cell], room: int) -> tuple[list[Cell], int]:
    """A row whose longest cells are cut until it fits into one page, and its cost."""
    cost = _cost(row)
    if cost <= min(room, MAX_CELL):
        return row, cost
    costs = [_cost(value) for value in row]
    left, share = room - 4 * len(row), MAX_CELL
    for done, each in enumerate(sorted(costs)):
        share = min(left // (len(row) - done), MAX_CELL)
        if each > share:
            break
        left -= each
    row = [_cut(v, share) if c > share else v for v, c in zip(row, costs, strict=True)]
    return row, _cost(row)


def _cut(value: Cell, budget: int) -> Cell:
    """The start of a text, ending in how long it was; at most ``budget`` escaped characters."""
    if not isinstance(value, str) or _cost(value) <= budget:
        return value
    note = f"… [cut: {len(value):,} characters in all]"
    room = budget - _cost(note)
    keep = min(len(value), max(room - 4, 0))
    while keep and _cost(value[:keep]) > room:
        keep = keep * 9 // 10
    return value[:keep] + note


def _cost(value: object) -> int:
    """Characters of a value of a plot in a request's body, where it is escaped twice."""
    return escaped_length(json.dumps(value)) + 2
