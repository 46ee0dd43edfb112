"""Spans become published sessions: names, counting, replacement, console, artifacts, the end."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from clearml_otel import capture, diagnostics
from clearml_otel.clearml.transport import ModelUpload
from clearml_otel.langchain.content import Content
from clearml_otel.pipeline import publisher as publisher_module
from clearml_otel.pipeline.labels import Labels
from clearml_otel.pipeline.pipeline import Pipeline
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord
from clearml_otel.spans.otlp_json import from_otlp_json
from support.run_records import call
from support.scripted_transport import ScriptedTransport, down, refused

LONG = 30.0


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)
    monkeypatch.delattr(sys, "last_value", raising=False)
    monkeypatch.setattr(capture, "_redacting", False)
    yield
    for pipeline in _made:
        pipeline.transport.trouble = None
        pipeline.close()
    _made.clear()


_made: list[Pipeline] = []


def new(transport: ScriptedTransport | None = None, **settings: Any) -> Pipeline:
    defaults: dict[str, Any] = {"task_name": "a task", "shutdown_timeout_s": LONG}
    _made.append(Pipeline(Settings(**{**defaults, **settings}), transport or ScriptedTransport()))
    return _made[-1]


def add(pipeline: Pipeline, *spans: SpanRecord) -> None:
    for span in spans:
        pipeline.add(span)


def prompts(transport: ScriptedTransport, series: str) -> list[str]:
    """The prompts of a published session, in the order of its rows."""
    rows = transport.tables()["Session Analysis", series]
    return [row[1] for row in rows]


def published(pipeline: Pipeline) -> ScriptedTransport:
    assert pipeline.wait(LONG)
    transport = pipeline.transport
    assert isinstance(transport, ScriptedTransport)
    return transport


# -- names -------------------------------------------------------------------------------


def test_a_session_is_published_under_its_name() -> None:
    pipeline = new()
    add(pipeline, call("a", 1), call("b", 3))
    pipeline.end_sessions("mine")
    transport = published(pipeline)
    assert {title for title, _ in transport.tables()} == {
        "Action Records",
        "Session Analysis",
        "Runs",
    }
    assert prompts(transport, "mine") == ["a", "b"]


def test_each_flush_publishes_its_own_rows_and_counts_from_zero() -> None:
    pipeline = new()
    for name in ("one", "two"):
        add(pipeline, call(name, 1))
        pipeline.end_sessions(name)
    transport = published(pipeline)
    assert prompts(transport, "one") == ["one"]
    assert prompts(transport, "two") == ["two"]
    steps = [row[2] for row in transport.tables()["Action Records", "two"]]
    assert steps == [1, 2]


def test_a_name_used_before_gets_a_number() -> None:
    pipeline = new()
    for prompt in ("first", "second", "third"):
        add(pipeline, call(prompt, 1))
        pipeline.end_sessions("mine")
    transport = published(pipeline)
    assert prompts(transport, "mine") == ["first"]
    assert prompts(transport, "mine (2)") == ["second"]
    assert prompts(transport, "mine (3)") == ["third"]


def test_a_numbered_name_given_by_the_application_stays_its_own() -> None:
    labels = Labels()
    assert [labels.new(name) for name in ("a", "a (2)", "a", "a")] == [
        "a",
        "a (2)",
        "a (3)",
        "a (4)",
    ]


def test_sessions_keep_the_names_of_their_spans() -> None:
    pipeline = new(session_name="the rest")
    add(
        pipeline,
        call("a", 1, trace=1, session__id="ann"),
        call("b", 3, trace=2, clearml__session__name="bob"),
        call("c", 5, trace=3),
    )
    pipeline.end_sessions()
    transport = published(pipeline)
    assert transport.series() == ["ann", "bob", "the rest"]
    assert prompts(transport, "ann") == ["a"]
    assert prompts(transport, "the rest") == ["c"]


def test_a_sessions_name_need_not_be_valid_text() -> None:
    pipeline = new()
    add(
        pipeline,
        call("a", 1, trace=1, session__id="x \ud800"),
        call("b", 3, trace=2, session__id="x \udfff"),
        call("c", 5, trace=3, session__id="nul \0 / ../ 😀"),
    )
    pipeline.end_sessions()
    transport = published(pipeline)
    assert transport.series() == ["x \ufffd", "x \ufffd (2)", "nul \0 / ../ 😀"]
    assert prompts(transport, "x \ufffd (2)") == ["b"]


def test_a_flush_without_runs_still_keeps_its_model_and_its_tables() -> None:
    pipeline = new()
    pipeline.end_sessions("mine", ModelUpload("mine", "mine.json", b"{}"))
    transport = published(pipeline)
    assert list(transport.models) == ["mine"]
    assert prompts(transport, "mine") == []


def test_a_model_goes_under_the_name_of_its_session() -> None:
    pipeline = new()
    for data in (b"1", b"2"):
        add(pipeline, call("q", 1))
        pipeline.end_sessions("mine", ModelUpload("mine", "mine.json", data))
    transport = published(pipeline)
    assert {name: model.data for name, model in transport.models.items()} == {
        "mine": b"1",
        "mine (2)": b"2",
    }


def test_nothing_makes_no_task() -> None:
    pipeline = new()
    pipeline.publish()
    pipeline.end_sessions()
    transport = published(pipeline)
    pipeline.close()
    assert transport.tried == []


# -- publications of open sessions -------------------------------------------------------


def test_a_later_publication_replaces_the_earlier_one() -> None:
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.publish()
    assert prompts(published(pipeline), "session") == ["a"]
    add(pipeline, call("b", 3))
    pipeline.publish()
    assert prompts(published(pipeline), "session") == ["a", "b"]
    pipeline.close()
    transport = published(pipeline)
    assert transport.series() == ["session"]
    assert prompts(transport, "session") == ["a", "b"]


def test_after_its_end_a_session_of_the_same_name_is_another() -> None:
    pipeline = new()
    add(pipeline, call("a", 1, session__id="s"))
    pipeline.publish()
    pipeline.end_sessions()
    add(pipeline, call("b", 3, session__id="s"))
    pipeline.publish()
    transport = published(pipeline)
    assert prompts(transport, "s") == ["a"]
    assert prompts(transport, "s (2)") == ["b"]


def test_rows_published_under_a_provisional_name_are_not_there_twice() -> None:
    """`provider.force_flush()` first, then `tracker.flush("mine")`."""
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.publish()
    published(pipeline)
    pipeline.end_sessions("mine")
    tables = published(pipeline).tables()
    holding = [
        series
        for (title, series), rows in tables.items()
        if title == "Session Analysis" and any(row[1] == "a" for row in rows)
    ]
    assert len(holding) == 1


# -- memory ------------------------------------------------------------------------------


def test_a_full_buffer_is_published_and_nothing_is_lost() -> None:
    pipeline = new(max_buffered_spans=10)
    for number in range(25):
        add(pipeline, call(f"q{number}", 2 * number))
    pipeline.close()
    transport = published(pipeline)
    found = [prompt for series in transport.series() for prompt in prompts(transport, series)]
    assert found == [f"q{number}" for number in range(25)]
    assert transport.series() == ["session", "session (2)", "session (3)"]


def test_spans_of_many_threads_are_all_kept() -> None:
    pipeline = new(max_buffered_spans=150)
    spans = [call(f"q{number}", 2 * number) for number in range(800)]

    def fill(own: list[SpanRecord]) -> None:
        add(pipeline, *own)

    threads = [threading.Thread(target=fill, args=[spans[start::8]]) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipeline.close()
    transport = published(pipeline)
    found = [prompt for series in transport.series() for prompt in prompts(transport, series)]
    assert sorted(found) == sorted(f"q{number}" for number in range(800))
    assert len(transport.series()) == 6


def test_adding_never_waits_for_the_network() -> None:
    gate, entered = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        entered.set()
        gate.wait(LONG)

    transport = ScriptedTransport(hold)
    pipeline = new(transport)
    add(pipeline, call("a", 1))
    pipeline.publish()
    assert entered.wait(LONG)
    add(pipeline, call("b", 3))
    pipeline.publish()
    assert not pipeline.wait(0.0)
    gate.set()
    pipeline.close()
    assert prompts(transport, "session") == ["a", "b"]


def test_pipelines_do_not_pile_up_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that makes a handler a request must not grow with them."""
    registered: list[object] = []
    monkeypatch.setattr(os, "register_at_fork", lambda **hooks: registered.append(hooks))
    for _ in range(20):
        new()
    assert len(registered) <= 1


# -- console -----------------------------------------------------------------------------


def records_in(transport: ScriptedTransport) -> list[str]:
    return [line for line in transport.console() if line.startswith("{'action': '")]


def test_the_console_has_each_record_once() -> None:
    pipeline = new(stream_logs=True)
    add(pipeline, call("a", 1))
    pipeline.publish()
    published(pipeline)
    pipeline.publish()
    published(pipeline)
    add(pipeline, call("b", 3))
    pipeline.end_sessions()
    transport = published(pipeline)
    assert [line.partition("'step': ")[2][:1] for line in records_in(transport)] == list("1234")
    assert any("action_records" in line for line in transport.console())


def test_the_console_has_both_tables_as_the_page_prints_them() -> None:
    pipeline = new(stream_logs=True)
    add(pipeline, call("a", 1))
    pipeline.end_sessions("mine")
    text = "\n".join(published(pipeline).console())
    assert "{'action_records':" in text
    assert "'session_analysis':" in text
    assert "[2 rows x" in text


def test_console_lines_are_not_lost_with_a_publication_that_is_replaced() -> None:
    transport = ScriptedTransport()
    pipeline = new(transport, stream_logs=True)
    add(pipeline, call("a", 1))
    # down only after the tables were made
    transport.trouble = lambda method: down() if method == "send" else None
    pipeline.publish()
    assert not pipeline.wait(LONG)
    add(pipeline, call("b", 3))
    pipeline.publish()
    transport.trouble = None
    while not pipeline.wait(LONG):
        pass
    pipeline.close()
    steps = [line.partition("'step': ")[2][:1] for line in records_in(transport)]
    assert steps == list("1234")


def test_without_stream_logs_the_console_is_quiet() -> None:
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.end_sessions("mine")
    assert published(pipeline).console() == []


# -- artifacts ---------------------------------------------------------------------------


def test_tables_and_spans_are_kept_whole() -> None:
    pipeline = new()
    spans = [call('a, with "quotes"\nand lines', 1), call("naïve 😀", 3)]
    add(pipeline, *spans)
    pipeline.end_sessions("mine")
    transport = published(pipeline)
    assert set(transport.artifacts) == {
        "Action Records - mine",
        "Session Analysis - mine",
        "Runs - mine",
        "Spans - mine",
    }
    lines = gzip.decompress(transport.artifacts["Spans - mine"].data).decode().splitlines()
    found = [record for line in lines for record in from_otlp_json(line)]
    assert sorted(found, key=lambda each: each.span_id) == spans
    text = transport.artifacts["Session Analysis - mine"].data.decode()
    assert text.startswith("prompt_step,prompts,name,")
    assert '"a, with ""quotes""\nand lines"' in text


def test_a_null_character_costs_no_table() -> None:
    pipeline = new()
    add(pipeline, call("before\0behind", 1))
    pipeline.end_sessions("mine")
    text = published(pipeline).artifacts["Session Analysis - mine"].data.decode()
    (row,) = csv.DictReader(text.splitlines())
    assert row["prompts"] == "before\ufffdbehind"


def test_the_task_is_described_once() -> None:
    pipeline = new()
    for name in ("one", "two"):
        add(pipeline, call("a", 1))
        pipeline.end_sessions(name)
    transport = published(pipeline)
    assert transport.calls.count("set_code") == 1
    assert "task_name = 'a task'" in transport.configuration["clearml-otel"]


def test_a_task_in_the_place_of_one_that_was_deleted_is_described_too() -> None:
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.end_sessions("one")
    transport = published(pipeline)
    transport._task_id = "another"
    add(pipeline, call("b", 3))
    pipeline.end_sessions("two")
    published(pipeline)
    assert transport.calls.count("set_code") == 2
    (known,) = pipeline._spool._infos.values()
    assert known["tasks"][""]["task_id"] == "another"


# -- trouble -----------------------------------------------------------------------------


def test_one_refused_table_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[int] = []

    def refuse_the_first(method: str) -> None:
        if method == "send":
            sent.append(1)
            if len(sent) == 1:
                refused()

    pipeline = new(ScriptedTransport(refuse_the_first))
    add(pipeline, call("a", 1))
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        pipeline.end_sessions("mine")
        transport = published(pipeline)
    assert {title for title, _ in transport.tables()} == {"Session Analysis", "Runs"}
    assert len(transport.artifacts) == 4
    assert "is not in ClearML" in caplog.text


def test_an_outage_doubles_nothing() -> None:
    failed: list[str] = []

    def every_call_fails_once(method: str) -> None:
        key = f"{method} {len([call for call in transport.calls if call == method])}"
        if key not in failed:
            failed.append(key)
            down()

    transport = ScriptedTransport(every_call_fails_once)
    pipeline = new(transport, stream_logs=True)
    add(pipeline, call("a", 1))
    pipeline.end_sessions("mine", ModelUpload("mine", "mine.json", b"{}"))
    for _ in range(40):
        if pipeline.wait(LONG):
            break
    assert prompts(transport, "mine") == ["a"]
    assert len(records_in(transport)) == 2
    assert transport.calls.count("upload_artifact") == 4
    assert transport.calls.count("upload_model") == 1


def test_tables_that_cannot_be_built_keep_their_spans(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no tables today")

    monkeypatch.setattr(publisher_module, "build_tables", broken)
    pipeline = new()
    add(pipeline, call("a", 1))
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        pipeline.end_sessions("mine")
        transport = published(pipeline)
    assert set(transport.artifacts) == {"Spans - mine"}
    assert "no tables today" in caplog.text


def test_a_model_is_kept_though_the_tables_cannot_be_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no tables today")

    monkeypatch.setattr(publisher_module, "build_tables", broken)
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.end_sessions("mine", ModelUpload("mine", "mine.json", b"{}"))
    assert list(published(pipeline).models) == ["mine"]


# -- the end -----------------------------------------------------------------------------


def test_closing_publishes_the_rest_and_completes_the_task() -> None:
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.close()
    transport = published(pipeline)
    assert prompts(transport, "session") == ["a"]
    assert [status for status, _ in transport.closed] == ["completed"]
    pipeline.close()
    assert len(transport.closed) == 1


def test_a_program_that_fails_marks_its_task_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "last_value", ValueError("boom"), raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.close()
    transport = published(pipeline)
    assert transport.closed == [("failed", "ValueError: boom")]


class TextlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "settings", "message"),
    [
        (TextlessError(), {}, "TextlessError: <unprintable TextlessError>"),
        (ValueError("bad prompt: my secret"), {"capture_content": False}, "ValueError"),
        (ValueError("https://me:hunter2@db"), {}, "ValueError: https://**********@db"),
    ],
)
def test_what_a_failure_says_is_safe_to_keep(
    monkeypatch: pytest.MonkeyPatch, error: Exception, settings: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(sys, "last_value", error, raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    pipeline = new(**settings)
    add(pipeline, call("a", 1))
    pipeline.close()
    assert published(pipeline).closed == [("failed", message)]


def test_a_failure_that_nobody_has_redacted_says_its_class_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Content(redact=lambda text, where: text.upper())
    monkeypatch.setattr(sys, "last_value", ValueError("of Ann"), raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.close()
    assert published(pipeline).closed == [("failed", "ValueError")]


def test_a_status_of_the_applications_own_stands() -> None:
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.close("stopped", "by hand")
    assert published(pipeline).closed == [("stopped", "by hand")]


def test_a_span_that_was_on_its_way_in_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread had looked whether the pipeline is closed, and went on after the last part."""
    pipeline = new()
    add(pipeline, call("a", 1))
    ended = pipeline.end_sessions

    def end_sessions(**keywords: Any) -> None:
        ended(**keywords)
        monkeypatch.undo()
        pipeline._stream.add(call("b", 3), 1_000)

    monkeypatch.setattr(pipeline, "end_sessions", end_sessions)
    pipeline.close()
    transport = published(pipeline)
    assert prompts(transport, "session") == ["a"]
    assert prompts(transport, "session (2)") == ["b"]


def test_a_span_that_comes_too_late_is_told(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = new()
    pipeline.close()
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        add(pipeline, call("a", 1), call("b", 3))
    (line,) = [record.getMessage() for record in caplog.records]
    assert "after its ClearML task was closed" in line


def test_the_actions_table_of_a_publication_is_the_records() -> None:
    pipeline = new()
    add(pipeline, call("a", 1))
    pipeline.end_sessions("mine")
    transport = published(pipeline)
    (plot, *_) = [event for event in transport.events if event["type"] == "plot"]
    header = [name[0] for name in json.loads(plot["plot_str"])["data"][0]["header"]["values"]]
    assert header[:3] == ["action", "name", "step"]
