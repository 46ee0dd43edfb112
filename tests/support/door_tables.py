"""A session's tables without what differs between two runs of one application."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from support.session_files import SessionFiles

TABLES: Final = ("Action Records", "Session Analysis", "Runs")
_TIMES: Final = ("start_time", "duration_s", "time_to_first_chunk_s", "time_to_first_token_s")
_IDS: Final = {"run_id": "run", "parent_run_id": "run", "trace_id": "trace", "span_id": "span"}
_INSIDE_OF_TEXTS: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Row = dict[str, Any]


def comparable_tables(
    session: SessionFiles, *, leave_out: Sequence[str] = ()
) -> dict[tuple[str, str], list[Row]]:
    """Every row by table and series; times left out, and ids numbered as they come.

    Args:
        session: what a program left.
        leave_out: columns beside those of times.
    """
    dropped = (*_TIMES, *leave_out)
    numbers: dict[str, dict[str, int]] = {"run": {}, "trace": {}, "span": {}}
    return {
        (metric, series): [_comparable(row, dropped, numbers) for row in table.dicts()]
        for (metric, series, _), table in sorted(session.tables.items())
        if metric in TABLES
    }


def _comparable(row: Row, dropped: Sequence[str], numbers: dict[str, dict[str, int]]) -> Row:
    kept = {name: cell for name, cell in row.items() if name not in dropped}
    for name, what in _IDS.items():
        if kept.get(name):
            kept[name] = numbers[what].setdefault(kept[name], len(numbers[what]))
    return {
        name: _INSIDE_OF_TEXTS.sub("<id>", cell) if isinstance(cell, str) else cell
        for name, cell in kept.items()
    }
