"""The benchmarks run and print every ratio; what the numbers are is no test's business."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[2]
_FLUSHES = ("Flush, 20 records", "Flush, 40 records", "Flush, 40 records, complexity on")
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?(e-\d+)?")
_PARTS = ("--only", "cpu", "--only", "flush", "--only", "memory")
_NEEDS_OLD_TEXTSTAT = "complexity on"
_ROWS = (
    *(
        f"LLM call, {words} words, complexity {switch}"
        for words in (20, 100, 500)
        for switch in ("off", "on")
    ),
    "Streamed token",
    "Nested chain run",
    *(
        f"{flush}: {measure}"
        for flush in _FLUSHES
        for measure in ("wall", "app thread", "process", "peak RSS, grown")
    ),
    "Memory, 50 calls: live, before the flush",
    "Memory, 50 calls: live, after the flush",
    "Memory, 50 calls: RSS, before the flush",
    "Memory, 50 calls: RSS, after the flush",
    "Memory, 50 calls: RSS, peak",
)


@pytest.mark.slow
def test_quick_run_prints_every_row(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, _TESTS / "benchmarks", "--quick", *_PARTS],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = {row[0]: row[1:] for row in map(_cells, done.stdout.splitlines()) if len(row) > 1}
    assert set(_ROWS) <= cells.keys()
    for title in _ROWS:
        _, ours, _, old, *_ = cells[title]
        assert _NUMBER.fullmatch(ours), title
        if _NEEDS_OLD_TEXTSTAT in title:
            assert old.startswith("not runnable ["), title
        else:
            assert _NUMBER.fullmatch(old), title
    notes = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert any("textstat 0.7.4" in note for note in notes)
    # nothing of ours was lost or reported, and every row was published
    assert not [note for note in notes if "ours" in note]


def test_unknown_part_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "speed"],
        cwd=_TESTS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "cpu" in done.stderr


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
