"""However a program ends, its tables are there, its exit status is its own, and ClearML knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.clearml_double import ClearMLDouble
from support.commands import run_program
from support.session_files import read_zip, the_only_zip

PROGRAM = Path(__file__).parents[1] / "support" / "exit_program.py"
DOORS = ("handler", "processor", "exporter")
STATUSES = {"raise": 1, "exit3": 3, "end": 0}


@pytest.mark.parametrize("end", STATUSES)
@pytest.mark.parametrize("door", DOORS)
def test_offline(door: str, end: str, tmp_path: Path) -> None:
    variables = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(tmp_path / "cache")}
    outcome = run_program(tmp_path, PROGRAM, door, end, **variables)
    assert outcome.status == STATUSES[end]
    assert ("the application's own failure" in outcome.stderr) == (end == "raise")
    assert "clearml" not in outcome.stderr.replace(str(tmp_path), "").lower().replace(
        "clearml_otel", ""
    )
    session = read_zip(the_only_zip(tmp_path / "cache"))
    ((metric, name, _), table) = next(
        item for item in session.tables.items() if item[0][0] == "Session Analysis"
    )
    assert (metric, name) == ("Session Analysis", "session")
    assert [row["prompts"] for row in table.dicts()] == ["a question"]
    assert session.task["status"] == ("failed" if end == "raise" else "completed")
    if end == "raise":
        assert "the application's own failure" in session.task["status_message"]


@pytest.mark.parametrize("door", DOORS)
def test_runs_that_are_open_at_the_end_are_unfinished(door: str, tmp_path: Path) -> None:
    variables = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(tmp_path / "cache")}
    outcome = run_program(tmp_path, PROGRAM, door, "open", **variables)
    assert outcome.status == 0, outcome.stderr
    session = read_zip(the_only_zip(tmp_path / "cache"))
    runs = session.table("Runs", "session").dicts()
    assert [(run["name"], run["status"]) for run in runs] == [
        ("FakeListLLM", "ok"),
        ("hang", "unfinished"),
    ]
    (_, _, start) = session.table("Action Records", "session").dicts()
    assert (start["action"], start["input"]) == ("on_chain_start", "an open question")


@pytest.mark.parametrize("door", DOORS)
def test_with_a_server(door: str, tmp_path: Path) -> None:
    with ClearMLDouble() as double:
        outcome = run_program(tmp_path, PROGRAM, door, "raise", **double.env())
        assert outcome.status == 1
        task = double.task_by_name("the exit")
        rows = double.tables(task["id"])["Session Analysis", "session", 0].rows
        assert [row[1] for row in rows] == ["a question"]
        assert task["status"] == "failed"
        assert double.violations == []
