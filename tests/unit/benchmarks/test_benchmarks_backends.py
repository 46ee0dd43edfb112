"""The comparison of none, one, three and dead backends runs and prints every ratio."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.benchmark_runs import quick_run

_TITLES = ("no backend", "ClearML", "ClearML + 2 OTLP", "…, one OTLP dead", "…, ClearML dead")
_CLOCKS = ("wall, median call", "wall, slowest of twenty", "CPU of its thread")
_NUMBER = re.compile(r"[\d,]+(\.\d+)?")
_RATIO = re.compile(r">?[\d.]+x( ±\d+%)?")


@pytest.mark.slow
def test_quick_run_prints_every_row(tmp_path: Path) -> None:
    titles, _, *rows = quick_run(tmp_path, "backends").rows
    assert titles == ["Chat model call", "unit", *_TITLES]
    assert [row[:2] for row in rows] == [
        [clock, unit] for clock in _CLOCKS for unit in ("µs", "it / no backend")
    ]
    for _, unit, *cells in rows:
        pattern = _NUMBER if unit == "µs" else _RATIO
        assert all(pattern.fullmatch(cell) for cell in cells), cells
