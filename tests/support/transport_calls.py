"""The same calls for any transport, and what they must leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from clearml_otel.clearml.code import CodeInfo
from clearml_otel.clearml.events import console, plotly_plot, scalar, table_plots
from clearml_otel.clearml.transport import Artifact, Event, Media, ModelUpload, TaskSpec, Transport
from support.clearml_double import ClearMLDouble

TESTS = Path(__file__).parents[1]

SPEC = TaskSpec("demo project/inner", "my task", "testing", ("one", "two"), "a comment")

CODE = CodeInfo(
    repository="https://example.com/r.git",
    branch="main",
    version_num="abc",
    entry_point="app.py",
    diff="+ é\n",
    requirements_pip="# Python 3\n\na == 1\n",
    binary="python3.11",
)

ARTIFACTS = {
    "all rows": Artifact("all rows", "rows.csv", b"a,b\n1,\xc3\xa9\n", "text/csv", "a,b"),
    "spans/é": Artifact("spans/é", "spans.jsonl", b"{}\n", "application/json"),
}

MODELS = {
    "Agent with Tools": ModelUpload("Agent with Tools", "asset.json", b'{"a": 1}', tags=("t",)),
    "simple_sequential": ModelUpload("simple_sequential", "asset.json", b'{"b": 2}'),
}

MEDIA = Media(
    "Dependencies Plot",
    "né/w step 4.2",
    4,
    "dependencies-step-4.2.html",
    "<!DOCTYPE html>\né".encode(),
    "text/html; charset=utf-8",
    1_700_000_000_000,
)
MEDIA_EVENT = {
    "type": "training_debug_image",
    "metric": "Dependencies Plot",
    "variant": "né/w step 4.2",
    "iter": 4,
    "timestamp": 1_700_000_000_000,
    "key": "Dependencies_Plot-531f3992/n_w_step_4-99c20db6.2/dependencies-step-4.2.html",
}

TABLE = ("Action Records", "first", 0)
ROWS = [[0, "on_llm_start", ""], [1, "on_llm_end", "é 😀 <b>"]]


def some_events() -> list[Event]:
    columns = ["step", "action", "text"]
    point = scalar("Latency", "llm", 1.5, iteration=3, timestamp_ms=1_700_000_000_000)
    assert point is not None
    figure = {"data": [{"type": "bar", "x": [1, None]}], "layout": {}}
    return [
        *console(["line one", "line é two"], timestamp_ms=1_700_000_000_000),
        *table_plots(*TABLE[:2], columns, [[0, None]], timestamp_ms=1_700_000_000_000),
        *table_plots(*TABLE[:2], columns, ROWS, timestamp_ms=1_700_000_000_001),
        point,
        plotly_plot("Runs", "waterfall", figure, timestamp_ms=1_700_000_000_000),
    ]


def use(transport: Transport) -> str:
    """Every call of a transport but closing it; returns the task's id."""
    task_id = transport.open()
    transport.set_code(CODE)
    transport.set_configuration("settings", "x = 1\né")
    transport.set_parameters("Args", {"model.name": "a", "top_p": "1"})
    transport.send(some_events())
    for artifact in ARTIFACTS.values():
        transport.upload_artifact(artifact)
    for model in MODELS.values():
        transport.upload_model(model)
    transport.upload_media(MEDIA)
    transport.ping()
    return task_id


def anonymous(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without whose they are, in an order that doesn't depend on their arrival."""
    plain = [
        {k: v for k, v in event.items() if k not in {"task", "method", "url"}} for event in events
    ]
    for event in plain:
        if "key" in event:
            event["key"] = event["key"].partition("/metrics/")[2]
    return sorted(plain, key=repr)


def expected_events() -> list[Event]:
    """What `use` leaves behind, as `anonymous` gives it."""
    return sorted([*some_events(), MEDIA_EVENT], key=repr)


def last_writes(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events as a server keeps them: of plots and scalars with one name and iteration, the last."""
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, event in enumerate(events):
        place = number if event["type"] == "log" else 0
        kept[place, event.get("metric"), event.get("variant"), event.get("iter")] = event
    return list(kept.values())


def run_client(double: ClearMLDouble, program: str, *arguments: str, **env: str) -> str:
    """Run a program as a client of the double; returns its stdout, which has to be all it says."""
    path = double.home / "client.py"
    path.write_text(program)
    environ = double.client_environ(PYTHONPATH=str(TESTS), **env)
    done = subprocess.run(
        [sys.executable, str(path), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def session_events(location: str) -> list[dict[str, Any]]:
    """The events in the files of a session, read without the package's own reader."""
    found: list[dict[str, Any]] = []
    for name in ("metrics.jsonl", "log.jsonl"):
        for line in (Path(location) / name).read_text().splitlines():
            found += json.loads(line)
    return found
