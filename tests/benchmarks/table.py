"""The tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

Column: TypeAlias = Literal["ours", "bare", "old"]

COLUMNS: Final[tuple[Column, ...]] = ("ours", "bare", "old")
TITLES: Final[Mapping[Column, str]] = {"ours": "ours", "bare": "bare spans", "old": "old handler"}
_WIDTH: Final = 200
_TEXT_COLUMNS: Final = 2
_LARGEST_RATIO: Final = 100
_THREE_DIGITS: Final = 100
_TWO_DECIMALS: Final = 0.1
_FEWEST_FOR_NOISE: Final = 4
_ERROR_OF_MEDIAN: Final = 0.93  # times the distance of the quartiles, over the root of the number


@dataclass(frozen=True, slots=True)
class Samples:
    """What the rounds of one column measured, in the row's unit."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def noise(self) -> float | None:
        """The standard error of the median, as a part of it; None of few rounds."""
        if len(self.values) < _FEWEST_FOR_NOISE or not self.median:
            return None
        low, _, high = statistics.quantiles(self.values, n=4)
        error = _ERROR_OF_MEDIAN * (high - low) / math.sqrt(len(self.values))
        return abs(error / self.median)


@dataclass(frozen=True, slots=True)
class NotRunnable:
    """Why a column has no number in a row."""

    reason: str


Cell: TypeAlias = "Samples | NotRunnable | None"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; a column without a cell does not apply."""

    title: str
    unit: str
    cells: dict[Column, Cell]

    def ratio(self, other: Column) -> Samples | None:
        """Ours over the other in each round; None where either has no number, or is nothing."""
        mine, theirs = self.cells.get("ours"), self.cells.get(other)
        if not isinstance(mine, Samples) or not isinstance(theirs, Samples):
            return None
        pairs = zip(mine.values, theirs.values, strict=True)
        ratios = [own / value for own, value in pairs if value > 0]
        return Samples(ratios) if ratios else None


@dataclass(slots=True)
class Result:
    """What a part of the benchmarks measured; parts with other titles get a table of their own."""

    rows: list[Row] = field(default_factory=list[Row])
    notes: list[str] = field(default_factory=list[str])
    titles: Mapping[Column, str] = field(default_factory=lambda: TITLES)


@dataclass(frozen=True, slots=True)
class GridRow:
    """Text of each column."""

    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Grid:
    """What a part measured with columns of its own."""

    titles: Sequence[str]
    rows: Sequence[GridRow]
    notes: Sequence[str]


def show(results: Iterable[Result | Grid], head: str) -> None:
    """Print the tables and the notes below them."""
    tables: list[tuple[Mapping[Column, str], Table]] = []
    grids: list[Table] = []
    notes: list[str] = []
    for result in results:
        notes += [note for note in result.notes if note not in notes]
        if isinstance(result, Grid):
            grids.append(_grid_table(result))
            continue
        if not tables or tables[-1][0] != result.titles:
            tables.append((result.titles, _empty_table(result.titles)))
        for row in result.rows:
            cells = [_number(row.cells.get(column), notes) for column in COLUMNS]
            ratios = [row.ratio("bare"), row.ratio("old")]
            shown = [*map(_ratio, ratios), _noise(ratios)]
            tables[-1][1].add_row(row.title, row.unit, *cells, *shown)
    console = Console(width=_WIDTH, highlight=False)
    console.print(head)
    for table in [*(table for _, table in tables), *grids]:
        console.print(table)
    for number, note in enumerate(notes, 1):
        console.print(f"[{number}] {note}", markup=False, soft_wrap=True)


def _grid_table(grid: Grid) -> Table:
    table = Table(box=box.MARKDOWN)
    for index, title in enumerate(grid.titles):
        table.add_column(title, justify="left" if index < _TEXT_COLUMNS else "right", no_wrap=True)
    for row in grid.rows:
        table.add_row(*row.cells)
    return table


def _empty_table(titles: Mapping[Column, str]) -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column("", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    ratios = [f"ours / {titles[column].split()[0]}" for column in COLUMNS[1:]]
    for title in (*titles.values(), *ratios, "noise"):
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _number(cell: Cell, notes: list[str]) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, NotRunnable):
        note = f"not runnable: {cell.reason}"
        if note not in notes:
            notes.append(note)
        # rich takes square brackets for its own
        return f"not runnable \\[{notes.index(note) + 1}]"
    return in_digits(cell.median)


def in_digits(value: float) -> str:
    """Three digits, or all those before the point."""
    return f"{value:,.0f}" if abs(value) >= _THREE_DIGITS else f"{value:.3g}"


def _ratio(ratio: Samples | None) -> str:
    return "–" if ratio is None else in_times(ratio.median)


def in_times(value: float) -> str:
    """A ratio."""
    if value > _LARGEST_RATIO:
        return f">{_LARGEST_RATIO}x"
    return f"{value:.2f}x" if value >= _TWO_DECIMALS else f"{value:.2g}x"


def _noise(ratios: Iterable[Samples | None]) -> str:
    """Of the noisier ratio."""
    known = [ratio.noise for ratio in ratios if ratio is not None]
    noise = max((value for value in known if value is not None), default=None)
    return "–" if noise is None else f"{noise:.0%}"
