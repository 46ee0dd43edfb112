"""The comparison of none, one, three and dead backends runs and prints every ratio."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[2]
_TITLES = ("no backend", "ClearML", "ClearML + 2 OTLP", "…, one OTLP dead", "…, ClearML dead")
_CLOCKS = ("wall, median call", "wall, slowest of twenty", "CPU of its thread")
_NUMBER = re.compile(r"[\d,]+(\.\d+)?")
_RATIO = re.compile(r">?[\d.]+x( ±\d+%)?")


@pytest.mark.slow
def test_quick_run_prints_every_row(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, _TESTS / "benchmarks", "--quick", "--only", "backends"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()
    ]
    table = [line for line in lines if len(line) > 1]
    titles, _, *rows = table
    assert titles == ["Chat model call", "unit", *_TITLES]
    assert [row[:2] for row in rows] == [
        [clock, unit] for clock in _CLOCKS for unit in ("µs", "it / no backend")
    ]
    for _, unit, *cells in rows:
        pattern = _NUMBER if unit == "µs" else _RATIO
        assert all(pattern.fullmatch(cell) for cell in cells), cells
