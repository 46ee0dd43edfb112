"""The tables come from spans and nothing else: another process rebuilds them from an archive."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from support.commands import run_cli, run_program
from support.session_files import read_zip, the_only_zip

PROGRAM = Path(__file__).parents[1] / "support" / "archived_program.py"
SESSIONS = ("simple_sequential", "Agent with Tools")


def plots(root: Path) -> dict[tuple[str, str, int], str]:
    """The plots of the one session below a folder, as the bytes that ClearML was given."""
    folder = the_only_zip(root).with_suffix("")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    events = [event for line in lines for event in json.loads(line)]
    return {
        (event["metric"], event["variant"], event["iter"]): event["plot_str"]
        for event in events
        if event["type"] == "plot"
    }


def single_spans(archive: Path) -> list[dict[str, Any]]:
    """Each span of an archive as a document of its own."""
    documents: list[dict[str, Any]] = []
    for line in archive.read_text().splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    alone = {**scope, "spans": [span]}
                    documents.append({"resourceSpans": [{**resource, "scopeSpans": [alone]}]})
    return documents


def test_replayed_tables_are_equal_byte_for_byte(tmp_path: Path) -> None:
    archive = tmp_path / "spans.jsonl"
    made, replayed = tmp_path / "made", tmp_path / "replayed"
    offline = {"CLEARML_OFFLINE_MODE": "1"}
    app = run_program(tmp_path, PROGRAM, archive, CLEARML_CACHE_DIR=str(made), **offline)
    assert app.status == 0, app.stderr

    spans = single_spans(archive)
    # 12 prompts twice over, then the agent: chain, three model calls, two tools; one of the app's
    assert len(spans) == 12 + 6 + 1
    random.Random(7).shuffle(spans)
    parts = [tmp_path / f"part{number}.jsonl" for number in range(3)]
    for number, part in enumerate(parts):
        part.write_text("".join(f"{json.dumps(span)}\n" for span in spans[number::3]))

    arguments = [option for name in SESSIONS for option in ("--session", name)]
    replay = run_cli(
        tmp_path,
        "replay",
        *parts,
        "--project",
        "Archive",
        "--task-name",
        "replayed",
        *arguments,
        CLEARML_CACHE_DIR=str(replayed),
        PYTHONHASHSEED="99",
        **offline,
    )

    assert replay.status == 0, replay.stderr
    assert not {"langchain", "langchain_core", "langchain_classic", "clearml"} & replay.modules
    original = plots(made)
    assert {variant for _, variant, _ in original} == set(SESSIONS)
    assert plots(replayed) == original
    assert read_zip(the_only_zip(replayed)).task["project_name"] == "Archive"
