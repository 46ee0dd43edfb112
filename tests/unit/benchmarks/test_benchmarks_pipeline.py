"""The benchmark of the pipeline runs and prints every row."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[2]
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?(e-\d+)?")
_ROWS = (
    "Spool: append a batch",
    "Encode (ours: compressed)",
    "Decode",
    "Records and tables",
    "Records and tables, with metrics",
    "Records and tables, 1,000 in one session",
    "Size of an LLM call",
    "Processor and assembly, added",
    "LLM calls end to end, offline, a CPU second",
    "2,000 spans without a pause: CPU",
    "2,000 spans: last tenth over first",
    "2,000 spans: RSS growth",
    "2,000 spans: shutdown",
)


@pytest.mark.slow
def test_quick_run_prints_every_row(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, _TESTS / "benchmarks", "--quick", "--only", "pipeline"],
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
    cells = {row[0]: row[1:] for row in lines if len(row) > 1}
    assert set(_ROWS) <= cells.keys()
    for title in _ROWS:
        assert _NUMBER.fullmatch(cells[title][1]), title
