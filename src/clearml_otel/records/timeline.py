"""The runs of a session's newest traces as bars on a time axis, children below their parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from clearml_otel.records.tables import Table

MOST_BARS: Final = 300
"""More are no picture any more."""

Row: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True, slots=True)
class Bar:
    """A run: its row of the runs table, how deep it is, and seconds since its trace began."""

    run: Row
    depth: int
    start_s: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Bars of whole traces, newest trace first.

    Args:
        bars: in the order of a depth-first walk through each trace.
        traces: how many traces they are of.
        all_traces: how many the session has.
        left_out: runs that the last of these traces has besides; only where it is the only one.
    """

    bars: tuple[Bar, ...]
    traces: int
    all_traces: int
    left_out: int = 0


def timeline(runs: Table, most: int = MOST_BARS) -> Timeline:
    """As many of the newest traces as have no more than so many runs; always the newest one.

    Args:
        runs: a runs table.
        most: bars at most; of one trace that has more, the first.
    """
    traces = _by_trace(runs)
    newest = sorted(traces, key=lambda trace: _latest(traces[trace]), reverse=True)
    bars: list[Bar] = []
    shown = 0
    for trace in newest:
        if shown and len(bars) + len(traces[trace]) > most:
            break
        bars += _bars(traces[trace])
        shown += 1
    return Timeline(tuple(bars[:most]), shown, len(traces), max(len(bars) - most, 0))


def _by_trace(runs: Table) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for cells in runs.rows:
        row: Row = dict(zip(runs.columns, cells, strict=True))
        found.setdefault(row["trace_id"], []).append(row)
    return found


def _latest(rows: Iterable[Row]) -> tuple[str, str]:
    # of equal times, as of clocks that stand, any order will do that is always the same
    return max((row["start_time"], row["span_id"]) for row in rows)


def _bars(rows: Sequence[Row]) -> Iterator[Bar]:
    known = {row["run_id"] for row in rows}
    below: dict[Any, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["start_time"], row["start_step"] or 0)):
        parent = row["parent_run_id"]
        below.setdefault(parent if parent in known else None, []).append(row)
    zero = _seconds(min(row["start_time"] for row in rows))
    while below:
        # runs that are each other's parents are below nobody: they come last
        top = None if None in below else next(iter(below))
        waiting = [(row, 0) for row in reversed(below.pop(top))]
        while waiting:
            row, depth = waiting.pop()
            yield Bar(row, depth, _seconds(row["start_time"]) - zero)
            waiting += [(child, depth + 1) for child in reversed(below.pop(row["run_id"], []))]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.removesuffix("Z")).timestamp()
