"""The benchmark of the readability metrics runs and prints every row."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[2]
_STATES = ("first text", "all words new", "known words")
_ROWS = (
    *(
        f"16 metrics, {words} words, {state}"
        for words in ("20", "100", "500", "2,000")
        for state in _STATES
    ),
    "16 metrics, token of 10,000 letters",
)
_NUMBER = re.compile(r"[\d,]+(\.\d+)?")


@pytest.mark.slow
def test_quick_run_prints_every_row(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, _TESTS / "benchmarks", "--quick", "--only", "readability"],
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
        _, ours, installed, old, ratio, *_ = cells[title]
        assert _NUMBER.fullmatch(ours), title
        assert _NUMBER.fullmatch(installed), title
        assert old.startswith("not runnable ["), title
        assert ratio.endswith("x"), title
    assert "made-up syllables" in done.stdout
