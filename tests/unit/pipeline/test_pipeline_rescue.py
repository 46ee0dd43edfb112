"""What ClearML does not take before the program ends is on disk, and said to be."""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_otel import diagnostics
from clearml_otel.pipeline import delivery as delivery_module
from clearml_otel.pipeline.pipeline import Pipeline
from clearml_otel.settings import Settings
from support.run_records import call
from support.scripted_transport import ScriptedTransport, down
from support.session_files import read_zip, the_only_zip


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(delivery_module, "_LAST_PAUSES_S", (0.0,))
    monkeypatch.delattr(sys, "last_value", raising=False)
    return


def unpublished(folder: Path, transport: ScriptedTransport) -> Pipeline:
    settings: dict[str, Any] = {
        "project_name": "a project",
        "task_name": "a task",
        "tags": ("t",),
        "offline_folder": str(folder),
        "shutdown_timeout_s": 0.0,
    }
    pipeline = Pipeline(Settings(**settings), transport)
    pipeline.add(call("a", 1))
    pipeline.end_sessions("mine")
    return pipeline


def test_everything_is_in_an_offline_session(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "offline"
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        unpublished(folder, ScriptedTransport(down)).close()
    path = the_only_zip(folder)
    session = read_zip(path)
    assert set(session.tables) == {
        ("Action Records", "mine", 0),
        ("Session Analysis", "mine", 0),
        ("Runs", "mine", 0),
    }
    assert session.task["project_name"] == "a project"
    assert session.task["name"] == "a task"
    assert session.task["tags"] == ["t"]
    told = [record.getMessage() for record in caplog.records if "kept in" in record.getMessage()]
    assert len(told) == 1
    assert str(path) in told[0]
    assert "import_offline_session" in told[0]
    assert "'mine'" in told[0]


def test_what_was_taken_before_is_not_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "offline"
    transport = ScriptedTransport()
    pipeline = unpublished(folder, transport)
    assert pipeline.wait(30.0)
    transport.trouble = down
    pipeline.add(call("b", 3))
    pipeline.end_sessions("second")
    pipeline.close()
    assert {series for _, series, _ in read_zip(the_only_zip(folder)).tables} == {"second"}
    assert transport.closed == []


def test_nothing_is_rescued_where_all_was_taken(tmp_path: Path) -> None:
    pipeline = unpublished(tmp_path / "offline", ScriptedTransport())
    assert pipeline.wait(30.0)
    pipeline.close()
    assert not list(tmp_path.rglob("offline-*"))


def test_a_folder_that_cannot_be_written_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        unpublished(blocked / "offline", ScriptedTransport(down)).close()
    path = the_only_zip(tmp_path / "temporary")
    assert ("Action Records", "mine", 0) in read_zip(path).tables
    assert str(path) in caplog.text


def test_where_no_folder_takes_it_the_loss_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    monkeypatch.setattr(tempfile, "tempdir", str(blocked))
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        unpublished(blocked / "offline", ScriptedTransport(down)).close()
    lost = [record for record in caplog.records if "LOST" in record.getMessage()]
    assert len(lost) == 1
    assert "'mine'" in lost[0].getMessage()
    assert lost[0].levelno == logging.ERROR


def test_the_failed_status_of_the_program_is_on_the_rescued_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "last_value", ValueError("boom"), raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    folder = tmp_path / "offline"
    unpublished(folder, ScriptedTransport(down)).close()
    assert read_zip(the_only_zip(folder)).task["status"] == "failed"


def test_rescued_files_are_the_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "offline"
    unpublished(folder, ScriptedTransport(down)).close()
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_call_that_returns_after_the_rescue_harms_nothing(tmp_path: Path) -> None:
    entered, gate = threading.Event(), threading.Event()

    def hang(method: str) -> None:
        if method == "send":
            entered.set()
            gate.wait(30.0)

    pipeline = unpublished(tmp_path / "offline", ScriptedTransport(hang))
    assert entered.wait(30.0)
    (thread,) = [each for each in threading.enumerate() if each.name == "clearml-otel-delivery"]
    pipeline.close()
    gate.set()
    # an error in the thread fails this test: see `filterwarnings`
    thread.join(30.0)
    assert not thread.is_alive()
    assert len(read_zip(the_only_zip(tmp_path / "offline")).tables) == 3
