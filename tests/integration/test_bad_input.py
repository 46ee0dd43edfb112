"""What cannot be used is named in one line; everything else is published."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake import FakeListLLM

from clearml_otel import ClearMLCallbackHandler, ClearMLSpanExporter
from clearml_otel.pipeline import orphans
from support.offline import OfflineClearML
from support.session_files import read_zip


@pytest.fixture(autouse=True)
def _to_the_end() -> Iterator[None]:
    """A delivery that outlasts its deadline is not to speak up in the next test."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name == "clearml-otel-delivery":
            thread.join(10)


def ask(handler: ClearMLCallbackHandler) -> None:
    FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke("a question")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.name == "clearml_otel"]
    assert not any("\n" in line or "Traceback" in line for line in found)
    return found


def prompts(session: Any, series: str) -> list[str]:
    return [row["prompts"] for row in session.table("Session Analysis", series).dicts()]


def test_a_task_name_of_two_letters(
    offline: OfflineClearML, caplog: pytest.LogCaptureFixture
) -> None:
    handler = ClearMLCallbackHandler(task_name="ab", project_name="xy")
    ask(handler)
    handler.flush_tracker("asked", finish=True)
    said = " ".join(lines(caplog))
    assert "task_name='ab'" in said
    assert "project_name='xy'" in said
    assert "3 characters" in said
    session = offline.session()
    assert (session.task["name"], session.task["project_name"]) == ("task ab", "project xy")
    assert prompts(session, "asked") == ["a question"]


def test_an_exporter_never_fails_to_construct(
    offline: OfflineClearML, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S", "soon")
    exporter = ClearMLSpanExporter(task_type="poetry", no_such_setting=1)
    exporter.shutdown()
    said = lines(caplog)
    assert len(said) == 3
    assert any("OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S='soon'" in line for line in said)
    assert any("'no_such_setting'" in line for line in said)
    assert any("'poetry'" in line and "inference" in line for line in said)


class Unwritable:
    """An asset whose every method fails."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no such thing")

    def __repr__(self) -> str:
        raise RuntimeError("not even that")


def test_an_asset_that_cannot_be_serialised(
    offline: OfflineClearML, caplog: pytest.LogCaptureFixture
) -> None:
    handler = ClearMLCallbackHandler(task_name="asset")
    ask(handler)
    handler.flush_tracker("asked", langchain_asset=Unwritable(), finish=True)
    (line,) = lines(caplog)
    assert "Unwritable" in line
    assert "published without it" in line
    assert prompts(offline.session(), "asked") == ["a question"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(
    tmp_path: Path, own_spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    check_unwritable(locked, own_spool, monkeypatch)


def test_a_folder_that_is_a_file(
    tmp_path: Path,
    own_spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("in the way")
    check_unwritable(tmp_path / "file", own_spool, monkeypatch)
    said = lines(caplog)
    assert any(str(tmp_path / "file") in line and "CLEARML_CACHE_DIR" in line for line in said)


def check_unwritable(root: Path, own_spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spans stay in the spool, and are published once there is a folder for them."""
    monkeypatch.setenv("CLEARML_OFFLINE_MODE", "1")
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(root))
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S", "0.5")
    handler = ClearMLCallbackHandler(task_name="unwritable")
    ask(handler)
    handler.flush_tracker("asked", finish=True)
    repaired = root.parent / "repaired"
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(repaired))
    assert [each.is_for_us for each in orphans.waiting([own_spool])] == [False]
    (delivered,) = orphans.deliver([own_spool], everything=True)
    assert delivered.problem == ""
    (found,) = repaired.rglob("offline-*.zip")
    assert prompts(read_zip(found), "asked") == ["a question"]


def test_missing_credentials(
    tmp_path: Path,
    own_spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in [name for name in os.environ if name.startswith("CLEARML_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLEARML_CONFIG_FILE", str(tmp_path / "none.conf"))
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S", "0.5")
    handler = ClearMLCallbackHandler(task_name="nobody")
    ask(handler)
    with caplog.at_level(logging.WARNING):
        handler.flush_tracker("asked", finish=True)
    said = lines(caplog)
    assert any("CLEARML_API_ACCESS_KEY" in line and "clearml-init" in line for line in said)
    assert any(str(own_spool) in line and "clearml-otel upload" in line for line in said)
    (left,) = orphans.waiting([own_spool])
    assert left.spans == 1
    assert not left.in_use


def test_use_after_finish(offline: OfflineClearML, caplog: pytest.LogCaptureFixture) -> None:
    handler = ClearMLCallbackHandler(task_name="finished")
    ask(handler)
    handler.flush_tracker("asked", finish=True)
    assert lines(caplog) == []
    ask(handler)
    ask(handler)
    handler.flush_tracker("late")
    said = lines(caplog)
    assert len(said) == 2
    assert "create a new handler" in said[0]
    assert "nothing was published" in said[1]
    assert prompts(offline.session(), "asked") == ["a question"]

    again = ClearMLCallbackHandler(task_name="a new one")
    ask(again)
    again.flush_tracker("asked", finish=True)
    assert prompts(offline.sessions()["a new one"], "asked") == ["a question"]
