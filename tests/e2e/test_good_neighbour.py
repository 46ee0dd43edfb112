"""With the package at work the rest of the process is as without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.clearml_double import ClearMLDouble
from support.commands import run_program

PROGRAM = Path(__file__).parents[1] / "support" / "neighbour_program.py"


def report(folder: Path, mode: str, **variables: str) -> dict[str, Any]:
    folder.mkdir()
    outcome = run_program(folder, PROGRAM, mode, **variables)
    assert outcome.status == 0, outcome.stderr
    (line,) = outcome.stdout.splitlines()  # and nothing else on stdout
    return json.loads(line)


def test_offline_nothing_is_changed(tmp_path: Path) -> None:
    variables = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(tmp_path / "cache")}
    with_us = report(tmp_path / "with", "with", **variables)
    assert with_us == report(tmp_path / "without", "without", **variables)
    assert with_us["threads"] == ["MainThread"]
    unchanged = ("excepthook", "exit", "import", "stdout", "signals", "environ", "argparse")
    assert all(with_us[name] for name in unchanged)
    assert not with_us["clearml"]
    assert list((tmp_path / "cache").rglob("offline-*.zip"))


def test_with_a_server_only_the_import_of_clearml_shows(tmp_path: Path) -> None:
    with ClearMLDouble() as double:
        with_us = report(tmp_path / "with", "with", **double.env())
        without = report(tmp_path / "without", "without", **double.env())
        assert with_us == without
        assert with_us["threads"] == ["MainThread"]
        assert double.task_by_name("neighbour")["status"] == "completed"
