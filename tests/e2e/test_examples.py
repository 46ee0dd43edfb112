"""Each example runs as it stands, with no key and no network, and leaves its tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import run_program
from support.session_files import read_zip, the_only_zip

EXAMPLES = Path(__file__).parents[2] / "examples"
WANTED = {
    "quickstart": {"jokes": (12, 2), "poems": (6, 1)},
    "migrate_from_callback_handler": {"simple_sequential": (12, 6), "Agent with Tools": (15, 3)},
    "beside_otlp": {"session": (2, 1)},
}


def test_every_example_is_run_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == WANTED.keys()


@pytest.mark.parametrize("name", WANTED)
def test_example_runs_offline(name: str, tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        EXAMPLES / f"{name}.py",
        CLEARML_OFFLINE_MODE="1",
        CLEARML_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert (done.status, done.stderr) == (0, ""), done
    assert done.network == ()
    assert "clearml" not in done.modules
    path = the_only_zip(tmp_path / "cache")
    assert f"The tables are in {path}" in done.stdout.splitlines()
    session = read_zip(path)
    assert session.task["status"] == "completed"
    sizes = {
        variant: (len(table.rows), len(session.table("Session Analysis", variant).rows))
        for (metric, variant, _), table in session.tables.items()
        if metric == "Action Records"
    }
    assert sizes == WANTED[name]


def test_the_other_backend_gets_every_span(tmp_path: Path) -> None:
    done = run_program(tmp_path, EXAMPLES / "beside_otlp.py", CLEARML_CACHE_DIR=str(tmp_path))
    last = done.stdout.splitlines()[-1]
    assert last == "The other backend got {'chat gpt-4o-mini': 1, 'GET /joke': 1}"
