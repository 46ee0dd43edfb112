"""Recorded spans of every peer, so that what reads them is tested where no peer is installed.

``python -m support.peers.fixtures`` (from the folder tests) records them anew: one chat call with a
session, one chain with a failing tool, and the other frameworks' agents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clearml_otel.spans import SpanRecord
from clearml_otel.spans.otlp_json import read_otlp_json_lines, to_otlp_json_lines
from support.peers.matrix import FRAMEWORKS, OURS, PEERS
from support.peers.recording import TESTS, record

FOLDER: Final = TESTS / "data" / "peers"
_SCENARIOS: Final = ("chat", "tool error")
_FILE_NAME: Final = re.compile(r'(File \\+")[^"\\]*/')


def recorded(peer: str) -> list[SpanRecord]:
    """The recorded spans of one peer, in the order in which they ended."""
    return list(read_otlp_json_lines(FOLDER / f"{peer}.jsonl"))


def _keep(path: Path, spans: Sequence[SpanRecord]) -> None:
    lines = "".join(f"{line}\n" for line in to_otlp_json_lines(spans))
    # where a package was installed is nobody's business
    path.write_text(_FILE_NAME.sub(r"\1", lines))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in (OURS, *PEERS):
        found = record(name)
        _keep(FOLDER / f"{name}.jsonl", [span for each in _SCENARIOS for span in found[each]])
    for name in FRAMEWORKS:
        _keep(FOLDER / f"{name}.jsonl", record(name)[name])
