"""Programs that are clients of a ClearML double, and what of theirs is in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.clearml_double import ClearMLDouble
from support.commands import TESTS, environment

Prompts = dict[str, dict[str, list[str]]]


def start(folder: Path, double: ClearMLDouble, *command: str | Path) -> subprocess.Popen[str]:
    """Start a Python program whose spool is in a folder that others may share."""
    spool = {"OTEL_EXPORTER_CLEARML_SPOOL_FOLDER": str(folder / "spool")}
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env={**environment(folder, **double.env(), **spool), "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def prompts(double: ClearMLDouble) -> Prompts:
    """The prompts in the Session Analysis tables, by the names of tasks and series."""
    found: Prompts = {}
    for task_id, task in double.tasks.items():
        series = found.setdefault(task["name"], {})
        for (metric, variant, _), table in double.tables(task_id).items():
            if metric == "Session Analysis":
                series.setdefault(variant, []).extend(row[1] for row in table.rows)
    return found
