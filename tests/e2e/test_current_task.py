"""An application's own ClearML task takes the tables, and stays as it is."""

from __future__ import annotations

from pathlib import Path

from support.clearml_double import ClearMLDouble
from support.commands import run_program
from support.session_files import read_zip, the_only_zip

PROGRAM = Path(__file__).parents[1] / "support" / "current_task_program.py"


def test_tables_go_to_the_applications_task(tmp_path: Path) -> None:
    with ClearMLDouble() as double:
        outcome = run_program(tmp_path, PROGRAM, **double.env())
        assert outcome.status == 0, outcome.stderr
        (task,) = double.tasks.values()
        assert task["name"] == "its own task"
        assert "after finish: in_progress" in outcome.stdout
        assert task["status"] == "completed"  # by the application's own close()
        tables = double.tables(task["id"])
        rows = tables["Session Analysis", "asked", 0].rows
        assert [row[1] for row in rows] == ["a question"]
        assert task["configuration"]["the application's"]["value"] == "kept = yes"
        assert {model["name"] for model in double.models.values()} == {"asked"}
        assert double.violations == []


def test_offline_likewise(tmp_path: Path) -> None:
    variables = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(tmp_path / "cache")}
    outcome = run_program(tmp_path, PROGRAM, **variables)
    assert outcome.status == 0, outcome.stderr
    session = read_zip(the_only_zip(tmp_path / "cache"))
    assert session.task["name"] == "its own task"
    rows = session.table("Session Analysis", "asked").dicts()
    assert [row["prompts"] for row in rows] == ["a question"]
    assert "kept = yes" in str(session.task["configuration"])
