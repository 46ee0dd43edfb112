"""Tables on a terminal: cut to its width, or whole, or one row after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

Layout: TypeAlias = Literal["fitted", "wide", "transposed"]

MIN_LIMIT, MAX_LIMIT = 12, 40
"""A fitted column is at most a quarter of the terminal, within these widths in terminal cells."""

_GAP = 2
_ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class View:
    """How tables are to be shown.

    Args:
        layout: ``fitted`` cuts cells and leaves columns out so that a row fits a line;
            ``wide`` writes every column in full, however long the line; ``transposed`` writes
            one row below the other, a column a line, in full.
        columns: the columns to show, in this order; empty for all.
        max_rows: how many rows at most; 0 for all.
        hints: whether to name the options that show what is left out.
    """

    layout: Layout = "fitted"
    columns: tuple[str, ...] = ()
    max_rows: int = 0
    hints: bool = True


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    view: View,
) -> None:
    """Print one table.

    Args:
        console: where to; its width is the limit of a fitted table.
        columns: the column names.
        rows: the cells, row by row.
        view: how.
    """
    shown = list(rows[: view.max_rows] if view.max_rows else rows)
    wanted = [column for column in view.columns if column in columns] or list(columns)
    indexes = [columns.index(column) for column in wanted]
    cells = [
        [cell_text(row[index]) if index < len(row) else "" for index in indexes] for row in shown
    ]
    if view.layout == "transposed":
        _print_transposed(console, wanted, cells)
    elif view.layout == "wide":
        _print_wide(console, wanted, cells)
    else:
        left_out = _print_fitted(console, wanted, cells, chosen=bool(view.columns))
        _print_left_out(console, view, "column", left_out, "--wide, --transpose or --columns A,B")
    _print_left_out(console, view, "row", len(rows) - len(shown), "--rows 0")


def cell_text(value: object) -> str:
    """A cell as one line that is safe to print: nothing for a missing value, no control codes."""
    if value is None or value == "nan":
        return ""
    text = str(value)
    if text.isprintable():
        return text
    # a line end, or an escape sequence that would reach the terminal
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _print_fitted(
    console: Console, columns: Sequence[str], cells: Sequence[Sequence[str]], *, chosen: bool
) -> int:
    """Print what fits; gives how many columns do not."""
    # columns without news are left out first, unless they were asked for
    telling = [
        i for i in range(len(columns)) if chosen or any(row[i] not in ("", "0") for row in cells)
    ] or list(range(len(columns)))
    limit = max(MIN_LIMIT, min(MAX_LIMIT, console.width // 4))
    widths = {i: _fitted_width(columns[i], cells, i, limit) for i in telling}
    fitting: list[int] = []
    used = 0
    for i in telling:
        if fitting and used + widths[i] > console.width:
            break
        fitting.append(i)
        used += widths[i] + _GAP
    spare = console.width - (used - _GAP)
    for i in fitting:
        # what is left of the line goes to the cells that were cut; a lone column may lack some
        more = min(spare, max(0, _widest(cells, i) - widths[i]))
        widths[i] += more
        spare -= more
    table = _grid()
    for i in fitting:
        header = "\n".join(_folded(columns[i], widths[i]))
        table.add_column(Text(header), width=widths[i], no_wrap=True)
    for row in cells:
        table.add_row(*(Text(_cut(row[i], widths[i])) for i in fitting))
    console.print(table)
    return len(columns) - len(fitting)


def _print_wide(console: Console, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    table = _grid()
    whole = 0
    for i, column in enumerate(columns):
        width = max(cell_len(cell_text(column)), _widest(cells, i))
        whole += width + _GAP
        table.add_column(Text(cell_text(column)), width=width, no_wrap=True)
    for row in cells:
        table.add_row(*map(Text, row))
    before, console.width = console.width, max(whole, console.width)
    try:
        console.print(table)
    finally:
        console.width = before


def _print_transposed(
    console: Console, columns: Sequence[str], cells: Sequence[Sequence[str]]
) -> None:
    label = max((cell_len(column) for column in columns), default=0)
    for number, row in enumerate(cells, 1):
        console.print(Text(f"row {number}", style="bold"))
        table = RichTable.grid(padding=(0, _GAP, 0, 0))
        table.add_column(width=min(label, console.width // 2), overflow="fold", style="cyan")
        table.add_column(overflow="fold")
        for column, cell in zip(columns, row, strict=True):
            table.add_row(Text(cell_text(column)), Text(cell))
        console.print(table)


def _grid() -> RichTable:
    return RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
        header_style="bold",
    )


def _fitted_width(column: str, cells: Sequence[Sequence[str]], index: int, limit: int) -> int:
    longest_part = max(cell_len(part) for part in _parts(column))
    return min(max(longest_part, _widest(cells, index)), limit)


def _widest(cells: Sequence[Sequence[str]], index: int) -> int:
    return max((cell_len(row[index]) for row in cells), default=0)


def _parts(column: str) -> list[str]:
    return re.findall(r"[^_]*_|[^_]+", cell_text(column)) or [""]


def _folded(column: str, width: int) -> list[str]:
    """A column name on as many lines as its width needs, cut at underscores."""
    lines: list[str] = []
    for part in _parts(column):
        if lines and cell_len(lines[-1] + part) <= width:
            lines[-1] += part
        else:
            lines.append(_cut(part, width))
    return lines


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    if width <= len(_ELLIPSIS):
        return set_cell_size(text, width)
    return set_cell_size(text, width - len(_ELLIPSIS)) + _ELLIPSIS


def _print_left_out(console: Console, view: View, what: str, count: int, options: str) -> None:
    if count:
        hint = f" ({options})" if view.hints else ""
        console.print(Text(f"{count} more {what}{'s' * (count != 1)}{hint}", style="dim"))
