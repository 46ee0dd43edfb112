"""The benchmark of the readability metrics runs and prints every row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.benchmark_runs import quick_run

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
    printed = quick_run(tmp_path, "readability")
    cells = printed.cells
    assert set(_ROWS) <= cells.keys()
    for title in _ROWS:
        _, ours, installed, old, ratio, *_ = cells[title]
        assert _NUMBER.fullmatch(ours), title
        assert _NUMBER.fullmatch(installed), title
        assert old.startswith("not runnable ["), title
        assert ratio.endswith("x"), title
    assert "made-up syllables" in printed.text
