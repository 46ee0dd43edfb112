"""Reads the files of a ClearML offline session as `Task.import_offline_session` does.

Independent of the package's own reader, so that tests judge what was written and nothing else.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TableFile:
    """One table plot as it lies in the session."""

    columns: list[str]
    rows: list[list[Any]]

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class SessionFiles:
    """A zipped session: task.json, tables by (metric, variant, iteration), console, names."""

    task: dict[str, Any]
    tables: dict[tuple[str, str, int], TableFile]
    console: list[str]
    names: list[str]

    def table(self, metric: str, variant: str) -> TableFile:
        return self.tables[metric, variant, 0]

    @property
    def models(self) -> set[str]:
        return {model["init"].get("name") for model in self.task.get("offline_output_models") or []}


def the_only_zip(root: Path) -> Path:
    """The one session below a folder; fails where there are none or several."""
    zips = sorted(root.rglob("offline-*.zip"))
    assert len(zips) == 1, f"expected one zipped session below {root}, found {zips}"
    return zips[0]


def read_zip(path: Path) -> SessionFiles:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        texts = {
            name: archive.read(name).decode()
            for name in ("task.json", "metrics.jsonl", "log.jsonl")
            if name in names
        }
    events = [
        event
        for name in ("metrics.jsonl", "log.jsonl")
        for line in texts.get(name, "").splitlines()
        for event in json.loads(line)
    ]
    tables: dict[tuple[str, str, int], TableFile] = {}
    for event in events:
        if event["type"] == "plot" and (table := _table(event["plot_str"])):
            tables[event["metric"], event["variant"], event["iter"]] = table
    console = [
        line for event in events if event["type"] == "log" for line in event["msg"].split("\n")
    ]
    return SessionFiles(json.loads(texts["task.json"]), tables, console, names)


def _table(plot: str) -> TableFile | None:
    (trace, *_) = json.loads(plot)["data"]
    if trace.get("type") != "table":
        return None
    columns = [name[0] if isinstance(name, list) else name for name in trace["header"]["values"]]
    cells = trace["cells"]["values"]
    return TableFile(columns, [list(row) for row in zip(*cells, strict=True)])
