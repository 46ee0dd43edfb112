"""The benchmarks run and print every ratio; what the numbers are is no test's business."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.benchmark_runs import TESTS, quick_run

_FLUSHES = ("Flush, 20 records", "Flush, 40 records", "Flush, 40 records, complexity on")
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?(e-\d+)?")
_PARTS = ("cpu", "flush", "memory")
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
    printed = quick_run(tmp_path, *_PARTS)
    cells = printed.cells
    assert set(_ROWS) <= cells.keys()
    for title in _ROWS:
        _, ours, _, old, *_ = cells[title]
        assert _NUMBER.fullmatch(ours), title
        if _NEEDS_OLD_TEXTSTAT in title:
            assert old.startswith("not runnable ["), title
        else:
            assert _NUMBER.fullmatch(old), title
    assert any("textstat 0.7.4" in note for note in printed.notes)
    # nothing of ours was lost or reported, and every row was published
    assert not [note for note in printed.notes if "ours" in note]


def test_unknown_part_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "speed"],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "cpu" in done.stderr
