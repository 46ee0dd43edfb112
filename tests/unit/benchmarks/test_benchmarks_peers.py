"""The comparison with other instrumentations runs, ours in every cell, theirs where installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.benchmark_runs import Printed, quick_run

_WORKLOADS = (
    "Chain run, nested",
    "Chain run, sequence",
    "Completion LLM",
    "Chat model",
    "Tool",
    "Streamed token, LLM",
    "Streamed token, chat",
    "Chain run, async",
    "Chat model, async",
)
_MEASURES = ("added, median", "added, 20th percentile", "it / bare spans", "ours / it")
_OURS = ("run itself", "no-op handler", "bare spans", "ours", "ours, readability")
_PEERS = {
    "OpenInference": "openinference.instrumentation.langchain",
    "Traceloop": "opentelemetry.instrumentation.langchain",
    "official GenAI": "opentelemetry.instrumentation.genai.langchain",
    "Langfuse": "langfuse.langchain",
}
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?(e-\d+)?")
_TIMES = re.compile(r"-?>?[\d.]+(e-\d+)?x|–")  # nothing is divided by less than nothing


@pytest.mark.slow
def test_quick_run_prints_every_row(tmp_path: Path) -> None:
    printed = quick_run(tmp_path, "peers")
    titles, cells = _table(printed)
    assert {*_OURS, *_PEERS} <= set(titles)
    for workload in _WORKLOADS:
        for measure in _MEASURES:
            row = dict(zip(titles, cells[workload, measure], strict=True))
            expected = _NUMBER if measure.startswith("added") else _TIMES
            for column in _OURS:
                assert expected.fullmatch(row[column]), (workload, measure, column, row)
            for column, module in _PEERS.items():
                if _installed(module):
                    assert expected.fullmatch(row[column]), (workload, measure, column, row)
                else:
                    assert row[column] == "not installed"
    # ours makes one span of each run, and no callback of its raised
    assert not [note for note in printed.notes if "ours" in note]


@pytest.mark.slow
def test_peer_that_is_missing_says_so(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name in {sorted(_PEERS.values())!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    titles, cells = _table(quick_run(tmp_path, "peers", PYTHONPATH=str(tmp_path)))
    row = dict(zip(titles, cells["Chat model", "added, median"], strict=True))
    assert [row[column] for column in _PEERS] == ["not installed"] * len(_PEERS)
    assert _NUMBER.fullmatch(row["ours"])


def _table(printed: Printed) -> tuple[list[str], dict[tuple[str, str], list[str]]]:
    """The titles of the columns behind the first two, and the cells by those."""
    titles, _, *rows = printed.rows
    return titles[2:], {(row[0], row[1]): row[2:] for row in rows}


def _installed(module: str) -> bool:
    """Asks for the folders of the name one by one: a missing parent raises."""
    names = module.split(".")
    folders = [".".join(names[: end + 1]) for end in range(len(names))]
    return all(find_spec(folder) is not None for folder in folders)
