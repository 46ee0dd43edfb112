"""One ClearML task for each session, or for each service: none mixed, none doubled, all ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake import FakeListLLM
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from clearml_otel import (
    ClearMLCallbackHandler,
    ClearMLSpanExporter,
    ClearMLSpanProcessor,
    configure,
    diagnostics,
)
from clearml_otel.clearml.code import CodeInfo
from clearml_otel.pipeline import destination
from clearml_otel.pipeline.replay import replay
from clearml_otel.settings import Settings, SettingsError
from support.clearml_clients import prompts, start
from support.clearml_double import ClearMLDouble
from support.commands import TESTS, environment
from support.offline import OfflineClearML, offline_clearml
from support.run_records import call
from support.traced import traced_model

LONG = 60
PROGRAM = TESTS / "support" / "task_per_program.py"
CURRENT_TASK = TESTS / "support" / "current_task_program.py"
SESSIONS: dict[str, Any] = {
    "task_name": "a service",
    "task_per": "session",
    "publish_interval_s": 3_600,
}


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OfflineClearML:
    return offline_clearml(tmp_path, monkeypatch)


def statuses(double: ClearMLDouble) -> set[str]:
    return {task["status"] for task in double.tasks.values()}


# -- sessions ----------------------------------------------------------------------------


def test_each_session_has_a_task_of_its_own(double: ClearMLDouble) -> None:
    processor = ClearMLSpanProcessor(**SESSIONS)
    provider, model = traced_model(processor)
    together = threading.Barrier(2)

    def work(name: str) -> None:
        with processor.tracker.session(name):
            together.wait()
            for number in range(20):
                model.invoke(f"{name} {number}")

    threads = [threading.Thread(target=work, args=[name]) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    model.invoke("nobody's")
    assert provider.force_flush()
    assert statuses(double) == {"in_progress"}
    provider.shutdown()
    assert prompts(double) == {
        "a service - ann": {"ann": [f"ann {number}" for number in range(20)]},
        "a service - bob": {"bob": [f"bob {number}" for number in range(20)]},
        "a service": {"session": ["nobody's"]},
    }
    assert statuses(double) == {"completed"}
    assert set(processor.tracker.tasks) == {"", "ann", "bob"}
    assert set(processor.tracker.tasks.values()) == set(double.tasks)
    assert double.task_by_name("a service - ann")["comment"] == "session: ann"
    logins = [request for request in double.requests if request.name == "auth.login"]
    assert len(logins) <= 2
    assert double.violations == []


def test_one_session_after_the_other_of_one_name(double: ClearMLDouble) -> None:
    processor = ClearMLSpanProcessor(**SESSIONS)
    provider, model = traced_model(processor)
    for prompt in ("first", "second"):
        with processor.tracker.session("ann"):
            model.invoke(prompt)
        processor.tracker.flush()
    provider.shutdown()
    assert prompts(double) == {"a service - ann": {"ann": ["first"], "ann (2)": ["second"]}}


def test_the_handlers_flushes_and_their_models(
    double: ClearMLDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_TASK_PER", "session")
    handler = ClearMLCallbackHandler(task_name="the page")
    model = FakeListLLM(responses=["an answer"], callbacks=[handler])
    model.invoke("a")
    handler.flush_tracker("one", langchain_asset=model)
    model.invoke("b")
    handler.flush_tracker("two", langchain_asset=model, finish=True)
    assert prompts(double) == {"the page - one": {"one": ["a"]}, "the page - two": {"two": ["b"]}}
    owners = {each["name"]: double.tasks[each["task"]]["name"] for each in double.models.values()}
    assert owners == {"one": "the page - one", "two": "the page - two"}
    assert statuses(double) == {"completed"}


def test_spans_do_not_name_another_sessions_task(double: ClearMLDouble) -> None:
    processor = ClearMLSpanProcessor(**SESSIONS)
    provider, model = traced_model(processor)
    for _ in range(2):
        model.invoke("nobody's")
        assert provider.force_flush()
    records = processor.tracker._pipeline.buffered()
    assert len(records) == 2
    assert all("clearml.task.id" not in record.attributes for record in records)
    provider.shutdown()


def test_an_outage_doubles_and_mixes_nothing(
    double: ClearMLDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = ClearMLSpanProcessor(**SESSIONS, request_timeout_s=1, shutdown_timeout_s=30)
    provider, model = traced_model(processor)
    double.fail("tasks.create", status=500, times=1)
    double.fail("events.add_batch", status=500, times=2)
    for name in ("ann", "bob"):
        with processor.tracker.session(name):
            model.invoke(f"{name}'s")
    provider.force_flush()
    provider.shutdown()
    assert prompts(double) == {
        "a service - ann": {"ann": ["ann's"]},
        "a service - bob": {"bob": ["bob's"]},
    }
    assert statuses(double) == {"completed"}


def test_the_code_that_ran_is_looked_for_once(
    offline: OfflineClearML, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a second or two, and is the same in all tasks."""
    looked: list[bool] = []

    def find_code(store: bool) -> CodeInfo:
        looked.append(store)
        return CodeInfo(repository="the same everywhere")

    monkeypatch.setattr(destination, "find_code", find_code)
    processor = ClearMLSpanProcessor(**SESSIONS)
    provider, model = traced_model(processor)
    for number in range(3):
        with processor.tracker.session(f"user {number}"):
            model.invoke("q")
    provider.shutdown()
    scripts = [session.task["script"] for session in offline.sessions().values()]
    assert len(scripts) == 3
    assert {script["repository"] for script in scripts} == {"the same everywhere"}
    assert looked == [False]


def test_offline_each_has_a_session_of_clearmls(offline: OfflineClearML) -> None:
    processor = ClearMLSpanProcessor(**SESSIONS)
    provider, model = traced_model(processor)
    for name in ("ann", "bob"):
        with processor.tracker.session(name):
            model.invoke(f"{name}'s")
    provider.shutdown()
    found = offline.sessions()
    assert Path(processor.tracker.location).exists()
    assert set(found) == {"a service - ann", "a service - bob"}
    for name in ("ann", "bob"):
        rows = found[f"a service - {name}"].table("Session Analysis", name).dicts()
        assert [row["prompts"] for row in rows] == [f"{name}'s"]


@pytest.mark.parametrize("name", ["x" * 5_000, "a/b: c\n\x00", "ann" * 80])
def test_any_name_makes_a_task(offline: OfflineClearML, name: str) -> None:
    processor = ClearMLSpanProcessor(**SESSIONS)
    provider, model = traced_model(processor)
    with processor.tracker.session(name):
        model.invoke("q")
    provider.shutdown()
    (task_name,) = offline.sessions()
    assert task_name.startswith("a service - ")
    assert len(task_name) <= 201


# -- services ----------------------------------------------------------------------------


def test_each_service_of_an_exporter_has_a_task_of_its_own(double: ClearMLDouble) -> None:
    exporter = ClearMLSpanExporter(
        task_name="all of us", task_per="service", publish_interval_s=3_600
    )
    services = [traced_model(SimpleSpanProcessor(exporter), name) for name in ("shop", "bank", "")]
    for number in range(3):
        for (_, model), name in zip(services, ("shop", "bank", "none"), strict=True):
            model.invoke(f"{name} {number}")
    exporter.force_flush()
    exporter.shutdown()
    assert prompts(double) == {
        "all of us - shop": {"session": ["shop 0", "shop 1", "shop 2"]},
        "all of us - bank": {"session": ["bank 0", "bank 1", "bank 2"]},
        "all of us": {"session": ["none 0", "none 1", "none 2"]},
    }
    assert statuses(double) == {"completed"}
    assert double.violations == []


def test_a_session_of_two_services_is_in_both_tasks(double: ClearMLDouble) -> None:
    exporter = ClearMLSpanExporter(task_name="all of us", task_per="service")
    for service in ("shop", "bank"):
        _, model = traced_model(SimpleSpanProcessor(exporter), service)
        with exporter.tracker.session("ann"):
            model.invoke(f"of the {service}")
    exporter.shutdown()
    assert prompts(double) == {
        "all of us - shop": {"ann": ["of the shop"]},
        "all of us - bank": {"ann": ["of the bank"]},
    }


@pytest.mark.parametrize(
    ("per", "names"),
    [("session", {"kept - ann", "kept - bob", "kept"}), ("process", {"kept"})],
)
def test_a_replay_too(offline: OfflineClearML, per: str, names: set[str]) -> None:
    spans = [
        call("a", 1, trace=1, session__id="ann"),
        call("b", 3, trace=2, session__id="bob"),
        call("c", 5, trace=3),
    ]
    result = replay(spans, Settings(task_name="kept", task_per=per, offline=True))
    assert set(offline.sessions()) == names
    assert len(result.locations) == len(names)


# -- processes ---------------------------------------------------------------------------


def test_a_killed_processs_tasks_are_gone_on_with(tmp_path: Path, double: ClearMLDouble) -> None:
    victim = start(tmp_path, double, PROGRAM, "killed")
    assert victim.stdout is not None
    assert victim.stdout.readline() == "safe\n", victim.communicate(timeout=LONG)
    before = set(double.tasks)
    assert {double.tasks[each]["name"] for each in before} == {
        "a service - ann",
        "a service - bob",
    }
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=LONG)
    upload = start(tmp_path, double, "-m", "clearml_otel.cli", "upload")
    told, errors = upload.communicate(timeout=LONG)
    assert upload.returncode == 0, errors
    assert "and 3 more tasks" in told
    assert prompts(double) == {
        "a service - ann": {"ann": ["ann 1", "ann 2"]},
        "a service - bob": {"bob": ["bob 1"]},
        "a service - cid": {"cid": ["cid 1"]},
        "a service": {"session": ["nobody's"]},
    }
    assert before < set(double.tasks)
    assert statuses(double) == {"failed"}
    assert list((tmp_path / "spool").glob("*.sqlite*")) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_to_its_parents_tasks(tmp_path: Path, double: ClearMLDouble) -> None:
    process = start(tmp_path, double, PROGRAM, "forked")
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0, errors
    ((task, series),) = prompts(double).items()
    assert task == "a service - ann"
    assert series.pop("ann") == ["before", "parent"]
    ((child, asked),) = series.items()
    assert (child.startswith("ann (process "), asked) == (True, ["child"])
    assert statuses(double) == {"completed"}


def test_the_applications_own_task_takes_everything(tmp_path: Path, double: ClearMLDouble) -> None:
    variables = {"OTEL_EXPORTER_CLEARML_TASK_PER": "session"}
    done = subprocess.run(
        [sys.executable, str(CURRENT_TASK)],
        cwd=tmp_path,
        env=environment(tmp_path, **double.env(), **variables),
        capture_output=True,
        text=True,
        timeout=2 * LONG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert prompts(double) == {"its own task": {"asked": ["a question"]}}


# -- bad settings ------------------------------------------------------------------------


def test_a_bad_value_is_an_error_by_keyword_and_a_warning_by_variable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SettingsError, match="task_per='thread' is none of process, session, serv"):
        configure(task_per="thread")
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_TASK_PER", "thread")
    exporter = ClearMLSpanExporter()
    assert exporter.tracker.settings.task_per == "process"
    (line,) = [r.getMessage() for r in caplog.records if "task_per" in r.getMessage()]
    assert "OTEL_EXPORTER_CLEARML_TASK_PER" in line
    assert "'process' is used" in line
    exporter.shutdown()
