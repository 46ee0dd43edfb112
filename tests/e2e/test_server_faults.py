"""ClearML fails in every way it knows: a clear line in the log, and the tables once it recovers."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from langchain_core.language_models.fake import FakeListLLM
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import ClearMLCallbackHandler, ClearMLSpanProcessor
from clearml_otel.langchain import LangChainSpanHandler
from support.clearml_double import ClearMLDouble
from support.waits import Waits, assert_never_waited

TABLES = {("Action Records", "asked", 0), ("Session Analysis", "asked", 0), ("Runs", "asked", 0)}
FAULTS = {
    "an added smaller than sent": {"match": "events.add_batch", "short_added": 1},
    "a 500": {"match": "events.add_batch", "status": 500},
    "a 401": {"match": ".", "status": 401},
    "a hang": {"match": "events.add_batch", "hang": True},
    "HTML with a 200": {"match": "events.add_batch", "html": True},
    "a broken connection": {"match": "events.add_batch", "reset": True},
}


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClearMLDouble]:
    monkeypatch.delenv("CLEARML_OFFLINE_MODE", raising=False)
    with ClearMLDouble() as running:
        running.adopt(monkeypatch)
        yield running


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_REQUEST_TIMEOUT_S", "1")
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S", "20")


def ask(handler: ClearMLCallbackHandler, question: str) -> None:
    FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke(question)


@pytest.mark.parametrize("fault", FAULTS)
def test_tables_are_published_once_it_recovers(
    fault: str, double: ClearMLDouble, caplog: pytest.LogCaptureFixture
) -> None:
    double.fail(**FAULTS[fault])
    handler = ClearMLCallbackHandler(task_name="faulty server")
    ask(handler, "how are you?")
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        handler.flush_tracker("asked")
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [line for record in errors for line in record.getMessage().splitlines()], fault
    assert all("\n" not in record.getMessage() for record in errors)
    assert not any("Traceback" in record.getMessage() for record in caplog.records)

    double.recover()
    task = double.wait_for(
        lambda: next((t for t in double.tasks if double.tables(t).keys() >= TABLES), None), 30
    )
    rows = double.tables(task)["Session Analysis", "asked", 0].rows
    assert [row[:2] for row in rows] == [[1, "how are you?"]]
    handler.flush_tracker(finish=True)
    assert double.tasks[task]["status"] == "completed"
    assert double.violations == []


@pytest.mark.parametrize("fault", FAULTS)
def test_runs_do_not_wait_for_it(
    fault: str, double: ClearMLDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tables are published all the while, and fail."""
    double.fail(**FAULTS[fault])
    processor = ClearMLSpanProcessor(
        task_name="faulty server", trace_grace_s=0.0, publish_interval_s=0.01, shutdown_timeout_s=30
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    model = FakeListLLM(responses=["an answer"], callbacks=[LangChainSpanHandler(provider)])
    waits = Waits()
    model.invoke("question 0")
    double.wait_for(lambda: double.requests, 30)
    for number in range(1, 1_000):
        with waits.call():
            model.invoke(f"question {number}")
    with capsys.disabled():
        print(f"\nwaits: {fault}: ms a run {(figures := waits.figures())}")
    # the server is in this very interpreter, and makes the runs wait for it too
    assert_never_waited(figures, "p95")
    double.recover()
    provider.shutdown()
    (task,) = double.tasks
    rows = double.tables(task)["Session Analysis", "session", 0].rows
    assert [row[1] for row in rows] == [f"question {number}" for number in range(1_000)]


def test_a_server_that_comes_back_later(
    double: ClearMLDouble, caplog: pytest.LogCaptureFixture
) -> None:
    handler = ClearMLCallbackHandler(task_name="late server")
    with double.down():
        ask(handler, "anybody there?")
        handler.flush_tracker("asked")
        assert any("not yet in ClearML" in record.getMessage() for record in caplog.records)
    handler.flush_tracker("again", finish=True)
    tables = double.tables(double.task_by_name("late server")["id"])
    assert tables.keys() > TABLES


def test_both_flushes_of_one_name_stay_readable(double: ClearMLDouble) -> None:
    handler = ClearMLCallbackHandler(task_name="twice")
    model = FakeListLLM(responses=["an answer"], callbacks=[handler])
    for question in ("first?", "second?"):
        model.invoke(question)
        handler.flush_tracker("same", langchain_asset=model)
    handler.flush_tracker("other", finish=True)
    tables = double.tables(double.task_by_name("twice")["id"])
    prompts = {
        variant: [row[1] for row in table.rows]
        for (metric, variant, _), table in tables.items()
        if metric == "Session Analysis"
    }
    assert prompts == {"same": ["first?"], "same (2)": ["second?"], "other": []}
    assert {model["name"] for model in double.models.values()} == {"same", "same (2)"}
