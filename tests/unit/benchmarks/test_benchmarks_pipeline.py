"""The benchmark of the pipeline runs and prints every row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.benchmark_runs import quick_run

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
    cells = quick_run(tmp_path, "pipeline").cells
    assert set(_ROWS) <= cells.keys()
    for title in _ROWS:
        assert _NUMBER.fullmatch(cells[title][1]), title
