"""`clearml-otel upload` and `doctor`: what waits, why, and how it gets to ClearML."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clearml_double import ClearMLDouble
from support.commands import TESTS, environment, run_cli, run_program
from support.demo_session import Demo

PROGRAM = TESTS / "support" / "leaving_program.py"
DEAD = {
    "CLEARML_API_HOST": "http://127.0.0.1:9",
    "OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S": "0.5",
    "OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S": "0",
}


@pytest.fixture
def double() -> Iterator[ClearMLDouble]:
    with ClearMLDouble() as running:
        yield running


@pytest.fixture
def client(double: ClearMLDouble, tmp_path: Path) -> dict[str, str]:
    spool = {"OTEL_EXPORTER_CLEARML_SPOOL_FOLDER": str(tmp_path / "spool")}
    return {**double.env(), **spool}


def leave(folder: Path, client: dict[str, str], *arguments: str) -> None:
    """A process that ends before ClearML has its tables."""
    subprocess.run(
        [sys.executable, PROGRAM, *arguments],
        cwd=folder,
        env=environment(folder, **client),
        capture_output=True,
        timeout=120,
        check=False,
    )


def prompts(double: ClearMLDouble, task_name: str, series: str = "session") -> list[str]:
    tables = double.tables(double.task_by_name(task_name)["id"])
    return [row[1] for row in tables["Session Analysis", series, 0].rows]


def test_what_a_killed_process_left(
    tmp_path: Path, double: ClearMLDouble, client: dict[str, str]
) -> None:
    leave(tmp_path, client, "killed", "kill")
    assert double.tasks == {}
    outcome = run_cli(tmp_path, "upload", **client)
    assert outcome.status == 0, outcome.stderr
    assert "1 spans of LangChain / killed are in " in outcome.stdout
    assert "langchain_core" not in outcome.modules
    assert prompts(double, "killed") == ["a question"]
    assert double.task_by_name("killed")["status"] == "failed"
    assert list((tmp_path / "spool").iterdir()) == []
    again = run_cli(tmp_path, "upload", **client)
    assert (again.status, again.stdout) == (0, "Nothing waits in the spool.\n")


def test_what_was_left_for_a_server_that_was_down(
    tmp_path: Path, double: ClearMLDouble, client: dict[str, str]
) -> None:
    leave(tmp_path, {**client, **DEAD}, "unlucky", "end", "mine")
    outcome = run_cli(tmp_path, "doctor", **client)
    assert outcome.status == 1
    assert "for http://127.0.0.1:9, not for this server" in outcome.stdout
    held_back = run_cli(tmp_path, "upload", **client)
    assert held_back.status == 0
    assert "--all" in held_back.stdout
    assert double.tasks == {}
    outcome = run_cli(tmp_path, "upload", "--all", **client)
    assert outcome.status == 0, outcome.stderr
    assert prompts(double, "unlucky", "mine") == ["a question"]
    assert {model["name"] for model in double.models.values()} == {"mine"}
    assert double.task_by_name("unlucky")["status"] == "completed"
    assert double.violations == []


def test_a_server_that_is_still_down(tmp_path: Path, client: dict[str, str]) -> None:
    leave(tmp_path, {**client, **DEAD}, "unlucky", "end")
    outcome = run_cli(tmp_path, "upload", **{**client, **DEAD})
    assert "1 spans of LangChain / unlucky still wait: the ClearML server" in outcome.error
    assert list((tmp_path / "spool").glob("*.spool"))


def test_the_next_program_delivers_it_at_its_end(
    tmp_path: Path, double: ClearMLDouble, client: dict[str, str]
) -> None:
    leave(tmp_path, client, "first", "kill")
    outcome = run_program(tmp_path, PROGRAM, "second", "end", **client)
    assert outcome.status == 0, outcome.stderr
    assert prompts(double, "first") == ["a question"]
    assert prompts(double, "second") == ["a question"]
    assert list((tmp_path / "spool").iterdir()) == []
    # nobody asked for lines on the terminal
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_an_offline_session(
    tmp_path: Path, demo: Demo, double: ClearMLDouble, client: dict[str, str]
) -> None:
    outcome = run_cli(tmp_path, "upload", demo.session, **client)
    assert outcome.status == 0, outcome.stderr
    (task,) = double.tasks.values()
    assert outcome.stdout.startswith(f"{demo.session.name} is in ")
    assert task["id"] in outcome.stdout
    assert {variant for _, variant, _ in double.tables(task["id"])} >= {"simple_sequential"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"CLEARML_OFFLINE_MODE": "1"}, "CLEARML_OFFLINE_MODE is set"),
        ({"CLEARML_API_HOST": "http://127.0.0.1:9"}, "refuses connections"),
    ],
)
def test_an_offline_session_that_cannot_be_uploaded(
    tmp_path: Path, demo: Demo, client: dict[str, str], variables: dict[str, str], says: str
) -> None:
    assert says in run_cli(tmp_path, "upload", demo.session, **{**client, **variables}).error


def test_no_session(tmp_path: Path, client: dict[str, str]) -> None:
    error = run_cli(tmp_path, "upload", tmp_path / "missing.zip", **client).error
    assert "no such offline session" in error


# -- doctor ------------------------------------------------------------------------------


def test_all_is_well(tmp_path: Path, double: ClearMLDouble, client: dict[str, str]) -> None:
    outcome = run_cli(tmp_path, "doctor", **client)
    assert (outcome.status, outcome.stderr) == (0, ""), outcome.stdout
    for said in (
        "clearml-otel ",
        "opentelemetry-sdk ",
        "credentials from CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY",
        "answers and takes the credentials",
        "nothing waits",
        f"spool_folder = '{tmp_path / 'spool'}' (from OTEL_EXPORTER_CLEARML_SPOOL_FOLDER)",
    ):
        assert said in outcome.stdout
    assert double.accounts.secret_key not in outcome.stdout
    assert double.accounts.access_key not in outcome.stdout
    assert double.tasks == {}


def test_a_spool_of_another_version_is_named(tmp_path: Path, client: dict[str, str]) -> None:
    (tmp_path / "spool").mkdir()
    database = sqlite3.connect(tmp_path / "spool" / "other.spool")
    database.execute("PRAGMA user_version = 99")
    database.close()
    outcome = run_cli(tmp_path, "doctor", **client)
    assert outcome.status == 1
    assert "other.spool was made by another clearml-otel (its version 99, not" in outcome.stdout
    assert "nothing waits" not in outcome.stdout


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"CLEARML_API_HOST": "http://127.0.0.1:9"}, "refuses connections"),
        ({"CLEARML_API_SECRET_KEY": "wrong"}, "refused the credentials"),
        ({"CLEARML_API_SECRET_KEY": ""}, "CLEARML_API_SECRET_KEY is not: set both"),
        ({"OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S": "soon"}, "FLUSH_TIMEOUT_S='soon'"),
        ({"OTEL_EXPORTER_CLEARML_SPOOL_FOLDER": __file__}, "is a file; name a folder"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, client: dict[str, str], variables: dict[str, str], says: str
) -> None:
    outcome = run_cli(tmp_path, "doctor", **{**client, **variables})
    assert outcome.status == 1
    assert says in outcome.stdout
    assert outcome.stderr == ""


def test_a_server_that_hangs_is_not_waited_for(
    tmp_path: Path, double: ClearMLDouble, client: dict[str, str]
) -> None:
    double.fail(".", hang=True)
    outcome = run_cli(tmp_path, "doctor", "--timeout", "0.5", **client)
    assert outcome.status == 1
    assert "gave no answer within 0.5 s" in outcome.stdout


def test_offline_needs_no_server(tmp_path: Path) -> None:
    outcome = run_cli(tmp_path, "doctor", CLEARML_OFFLINE_MODE="1")
    assert outcome.status == 0, outcome.stdout
    assert "no server is asked" in outcome.stdout
    assert "clearml" not in outcome.modules
