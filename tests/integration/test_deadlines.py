"""Waiting for ClearML ends when it was said to, whatever hangs; what is left waits in the spool."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake import FakeListLLM
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import (
    ClearMLCallbackHandler,
    ClearMLSpanProcessor,
    diagnostics,
    lifecycle,
    ownership,
)
from clearml_otel.clearml.server import ServerTransport
from clearml_otel.clearml.shared_connection import SharedConnection
from clearml_otel.clearml.time_left import until
from clearml_otel.clearml.transport import TaskSpec, TransportError
from clearml_otel.pipeline.delivery import Delivery
from clearml_otel.pipeline.process_spools import spools
from support.clearml_clients import prompts, start
from support.clearml_double import ClearMLDouble
from support.traced import traced_model

LONG = 120
SOON = 0.5
SLACK = 2.0  # a busy machine's; a hanging call takes a minute
HANGS = ["auth.login", "projects|tasks", "events.add_batch", "files", "."]
PATIENT: dict[str, Any] = {
    "task_name": "hanging",
    "request_timeout_s": 60,
    "shutdown_timeout_s": SOON,
    "publish_interval_s": 3_600,
}


def asked(**settings: Any) -> tuple[TracerProvider, ClearMLSpanProcessor]:
    """A provider with one run that is not published yet."""
    processor = ClearMLSpanProcessor(**{**PATIENT, **settings})
    provider, model = traced_model(processor)
    model.invoke("a question")
    return provider, processor


def took(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def without_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the end of an interpreter, which starts no threads."""
    monkeypatch.setattr(Delivery, "_ensure_thread", lambda self: False)


@pytest.mark.parametrize("threaded", [True, False])
@pytest.mark.parametrize("hang", HANGS)
def test_a_flush_and_a_shutdown_in_time(
    double: ClearMLDouble,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hang: str,
    threaded: bool,
) -> None:
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)
    if not threaded:
        without_thread(monkeypatch)
    double.fail(hang, hang=True)
    provider, processor = asked()
    assert took(lambda: processor.force_flush(int(SOON * 1_000))) < SOON + SLACK
    assert processor.tracker._pipeline.waiting_jobs
    assert took(provider.shutdown) < SOON + SLACK
    assert "the next process that uses clearml-otel delivers it" in caplog.text
    double.recover()


def test_a_flush_of_many_handlers_takes_the_time_of_one(double: ClearMLDouble) -> None:
    double.fail(hang=True)
    handlers = [ClearMLCallbackHandler(task_name=f"handler {number}") for number in range(4)]
    for handler in handlers:
        FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke("a question")
        handler.tracker._pipeline.end_sessions("asked")
    (owned,) = ownership._processors.values()
    assert took(lambda: owned.force_flush(int(SOON * 1_000))) < SOON + SLACK
    double.recover()
    assert owned.force_flush(LONG * 1_000)
    for handler in handlers:
        handler.flush_tracker(finish=True)
    assert {task["status"] for task in double.tasks.values()} == {"completed"}


def test_the_end_of_a_process_with_many_handlers_takes_the_time_of_one(
    double: ClearMLDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S", str(SOON))
    # what other tests of this process have open is not to be closed by this one
    monkeypatch.setattr(lifecycle, "_open", {})
    monkeypatch.setattr(lifecycle, "_last", {})
    double.fail(hang=True)
    for number in range(6):
        handler = ClearMLCallbackHandler(task_name=f"handler {number}")
        FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke("a question")
    assert took(lifecycle._close_all) < SOON + SLACK
    double.recover()


def test_a_call_is_cut_to_the_time_left(double: ClearMLDouble) -> None:
    server = SharedConnection((60.0, 60.0))
    # imports ClearML, logs in and makes the project
    ServerTransport(TaskSpec("a project", "another"), server=server).open()
    transport = ServerTransport(TaskSpec("a project", "a task"), server=server)
    double.fail("tasks.create", hang=True)
    began = time.monotonic()
    with until(lambda: began + SOON), pytest.raises(TransportError, match="no answer within"):
        transport.open()
    assert SOON / 2 < time.monotonic() - began < SOON + SLACK
    with until(lambda: began), pytest.raises(TransportError, match="no time left"):
        transport.open()
    double.recover()
    assert transport.open()
    transport.close("completed")


def test_so_is_a_connection_that_nobody_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        monkeypatch.setenv("CLEARML_API_HOST", f"http://127.0.0.1:{full.getsockname()[1]}")
        for name in ("ACCESS", "SECRET"):
            monkeypatch.setenv(f"CLEARML_API_{name}_KEY", "key")
        monkeypatch.delenv("CLEARML_OFFLINE_MODE", raising=False)
        transport = ServerTransport(TaskSpec("a project", "a task"), timeouts=(60.0, 60.0))
        began = time.monotonic()
        with until(lambda: began + SOON), pytest.raises(TransportError):
            transport.open()
        assert time.monotonic() - began < SOON + SLACK


def test_a_task_whose_end_hangs_is_ended_by_the_next_process(
    double: ClearMLDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_SPOOL_FOLDER", str(tmp_path / "spool"))
    double.fail("tasks.completed", hang=True)
    provider, processor = asked()
    assert processor.force_flush(LONG * 1_000)
    assert took(provider.shutdown) < SOON + SLACK
    (task,) = double.tasks.values()
    assert task["status"] == "in_progress"
    double.recover()
    spools.close()
    upload = start(tmp_path, double, "-m", "clearml_otel.cli", "upload")
    _, errors = upload.communicate(timeout=LONG)
    assert upload.returncode == 0, errors
    (task,) = double.tasks.values()
    assert task["status"] == "completed"
    assert list((tmp_path / "spool").iterdir()) == []


PROGRAM = """
import time
from langchain_core.language_models.fake import FakeListLLM
from clearml_otel import configure
import atexit, clearml

began = []
configure(task_name="hanging", shutdown_timeout_s=1, request_timeout_s=60)
# handlers run last-registered first
atexit.register(lambda: began.append(time.monotonic()))
FakeListLLM(responses=["an answer"]).invoke("a question")
"""
LATER = """
import atexit, time
atexit.register(lambda: print(f"took {time.monotonic() - began[0]:.3f}"))
"""


@pytest.mark.parametrize("hang", ["auth.login", "events.add_batch"])
def test_a_program_ends_in_time_and_the_next_one_delivers(
    double: ClearMLDouble, tmp_path: Path, hang: str
) -> None:
    double.fail(hang, hang=True)
    done = start(tmp_path, double, "-c", LATER + PROGRAM)
    told, errors = done.communicate(timeout=LONG)
    assert done.returncode == 0, errors
    assert float(told.split()[1]) < 1.0 + SLACK
    assert "clearml-otel upload" in errors
    double.recover()
    upload = start(tmp_path, double, "-m", "clearml_otel.cli", "upload")
    _, errors = upload.communicate(timeout=LONG)
    assert upload.returncode == 0, errors
    assert prompts(double) == {"hanging": {"session": ["a question"]}}
