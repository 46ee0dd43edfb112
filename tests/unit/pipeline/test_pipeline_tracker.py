"""Handler, processor and exporter on top of a scripted transport."""

from __future__ import annotations

import gc
import io
import logging
import sys
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from clearml_otel import (
    ClearMLCallbackHandler,
    ClearMLSpanExporter,
    ClearMLSpanProcessor,
    Tracker,
    diagnostics,
    ownership,
)
from clearml_otel import tracker as tracker_module
from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.settings import Settings
from clearml_otel.spans import from_readable_span
from support.scripted_models import ScriptedLLM
from support.scripted_transport import ScriptedTransport, down
from support.traced import nothing_left_behind

LONG = 30.0


@pytest.fixture
def transports(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedTransport]:
    """The transport of each tracker that is made, in order."""
    made: list[ScriptedTransport] = []

    def transport_for(_: Settings) -> ScriptedTransport:
        made.append(ScriptedTransport())
        return made[-1]

    monkeypatch.setattr(tracker_module, "transport_for", transport_for)
    return made


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)
    monkeypatch.delattr(sys, "last_value", raising=False)
    monkeypatch.setattr(ownership, "_private_provider", None)
    yield
    for tracker in _made:
        tracker.close()
    _made.clear()


_made: list[Tracker] = []


def handler(**keywords: Any) -> ClearMLCallbackHandler:
    made = ClearMLCallbackHandler(
        **{"project_name": "a project", "task_name": "a task", **keywords}
    )
    _made.append(made.tracker)
    return made


def ask(made: LangChainSpanHandler, *prompts: str) -> None:
    for prompt in prompts:
        ScriptedLLM().invoke(prompt, {"callbacks": [made]})


def prompts(transport: ScriptedTransport, series: str) -> list[str]:
    return [row[1] for row in transport.tables()["Session Analysis", series]]


# -- the page's handler ------------------------------------------------------------------


def test_flush_and_finish(transports: list[ScriptedTransport]) -> None:
    made = handler()
    ask(made, "a", "b")
    made.flush_tracker(name="first", langchain_asset=ScriptedLLM())
    ask(made, "c")
    made.flush_tracker(name="second", finish=True)
    (transport,) = transports
    assert prompts(transport, "first") == ["a", "b"]
    assert prompts(transport, "second") == ["c"]
    assert list(transport.models) == ["first"]
    assert [status for status, _ in transport.closed] == ["completed"]
    assert len(made.spans) == 0


def test_a_second_flush_of_one_name_keeps_both_tables(
    transports: list[ScriptedTransport],
) -> None:
    made = handler()
    for prompt in "ab":
        ask(made, prompt)
        made.flush_tracker(name="mine")
    assert prompts(transports[0], "mine") == ["a"]
    assert prompts(transports[0], "mine (2)") == ["b"]


@pytest.mark.parametrize(
    ("given", "series"),
    [
        ("a \ud800 b", "a \ufffd b"),
        (uuid.UUID(int=5), str(uuid.UUID(int=5))),
        (7, "7"),
        ("", "session"),
    ],
)
def test_any_name_can_be_given_at_a_flush(
    transports: list[ScriptedTransport], given: Any, series: str
) -> None:
    made = handler()
    ask(made, "a")
    made.flush_tracker(name=given)
    ask(made, "b")
    made.flush_tracker(name="after", finish=True)
    assert prompts(transports[0], series) == ["a"]
    assert prompts(transports[0], "after") == ["b"]


def test_after_finish_there_is_one_warning_and_nothing_recorded(
    transports: list[ScriptedTransport], caplog: pytest.LogCaptureFixture
) -> None:
    made = handler()
    ask(made, "a")
    made.flush_tracker(name="mine", finish=True)
    before = list(transports[0].tried)
    with caplog.at_level(logging.WARNING), nothing_left_behind(made):
        ask(made, "b", "c")
        made.flush_tracker(name="again")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "create a new handler" in lines[0]
    assert "nothing was published" in lines[1]
    assert transports[0].tried == before
    again = handler()
    ask(again, "d")
    again.flush_tracker(name="mine", finish=True)
    assert prompts(transports[1], "mine") == ["d"]


def test_two_handlers_never_mix(transports: list[ScriptedTransport]) -> None:
    one, two = handler(task_name="one"), handler(task_name="two")
    barrier = threading.Barrier(2)

    def work(made: ClearMLCallbackHandler, name: str) -> None:
        barrier.wait()
        for number in range(20):
            ask(made, f"{name}{number}")

    threads = [threading.Thread(target=work, args=pair) for pair in ((one, "one"), (two, "two"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for made in (one, two):
        made.flush_tracker(name="mine", finish=True)
    for transport, name in zip(transports, ("one", "two"), strict=True):
        assert prompts(transport, "mine") == [f"{name}{number}" for number in range(20)]


def test_a_run_of_two_handlers_is_in_both_tasks(transports: list[ScriptedTransport]) -> None:
    one, two = handler(task_name="one"), handler(task_name="two")
    with nothing_left_behind(one, two):
        ScriptedLLM().invoke("q", {"callbacks": [one, two]})
    for made in (one, two):
        made.flush_tracker(name="mine")
    assert [prompts(transport, "mine") for transport in transports] == [["q"], ["q"]]


def test_bad_settings_are_repaired_and_told(
    transports: list[ScriptedTransport], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        made = handler(task_name="ab", task_type="dreaming", tags=3)
    assert made.tracker.settings.task_name == "task ab"
    assert made.tracker.settings.task_type == "inference"
    assert len(caplog.records) == 3
    ask(made, "a")
    made.flush_tracker(name="mine")
    assert prompts(transports[0], "mine") == ["a"]


def test_an_asset_that_cannot_be_written_costs_no_table(
    transports: list[ScriptedTransport], caplog: pytest.LogCaptureFixture
) -> None:
    made = handler()
    ask(made, "a")
    with caplog.at_level(logging.WARNING):
        made.flush_tracker(name="mine", langchain_asset=3)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "langchain_asset" in line
    assert "\n" not in line
    assert prompts(transports[0], "mine") == ["a"]
    assert transports[0].models == {}


def test_a_flush_that_does_not_arrive_is_told_and_kept(
    transports: list[ScriptedTransport],
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = handler()
    transports[0].trouble = down
    ask(made, "a")
    with caplog.at_level(logging.WARNING):
        made.flush_tracker(name="mine")
    assert any("not in ClearML yet" in record.getMessage() for record in caplog.records)
    transports[0].trouble = None
    while not made.tracker.wait(LONG):
        pass
    assert prompts(transports[0], "mine") == ["a"]


def test_runs_that_end_after_a_flush_are_in_the_next_one(
    transports: list[ScriptedTransport],
) -> None:
    made = handler()

    def work(x: str) -> str:
        made.flush_tracker(name="first")
        return x

    ask(made, "before")
    RunnableLambda(work).with_config(run_name="open").invoke("q", {"callbacks": [made]})
    made.flush_tracker(name="second")
    names = [row[1] for row in transports[0].tables()["Action Records", "second"]]
    assert names[0] == "open"
    assert prompts(transports[0], "first") == ["before"]


def test_finished_handlers_leave_nothing_in_memory(transports: list[ScriptedTransport]) -> None:
    made = handler()
    ask(made, "a")
    made.flush_tracker(name="mine", finish=True)
    gone = weakref.ref(made), weakref.ref(made.tracker)
    _made.clear()
    del made
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_many_handlers_share_one_processor(transports: list[ScriptedTransport]) -> None:
    providers = set()
    for _ in range(5):
        made = handler()
        providers.add(id(made.spans.provider))
        ask(made, "a")
        made.flush_tracker(name="mine", finish=True)
    provider = made.spans.provider
    assert len(providers) == 1
    assert isinstance(provider, TracerProvider)
    assert len(provider._active_span_processor._span_processors) == 1


def test_with_the_applications_provider_its_backends_get_the_spans_too(
    transports: list[ScriptedTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    made = handler()
    ask(made, "a")
    assert len(exporter.get_finished_spans()) == 1
    provider.shutdown()
    assert prompts(transports[0], "session") == ["a"]
    assert [status for status, _ in transports[0].closed] == ["completed"]


# -- named sessions ----------------------------------------------------------------------


def test_runs_inside_a_named_session_belong_to_it(transports: list[ScriptedTransport]) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    processor = ClearMLSpanProcessor(task_name="a task")
    provider.add_span_processor(processor)
    spans = LangChainSpanHandler(provider)
    before = otel_context.get_current()
    with processor.tracker.session("ann"):
        ask(spans, "a")
    with processor.tracker.session("bob"):
        RunnableLambda(lambda q: ScriptedLLM().invoke(q)).batch(["b", "c"], {"callbacks": [spans]})
    assert otel_context.get_current() is before
    ask(spans, "d")
    processor.tracker.flush()
    (transport,) = transports
    assert prompts(transport, "ann") == ["a"]
    assert sorted(prompts(transport, "bob")) == ["b", "c"]
    assert prompts(transport, "session") == ["d"]
    provider.shutdown()


def test_named_sessions_of_a_handlers_tracker_keep_their_names(
    transports: list[ScriptedTransport],
) -> None:
    made = handler()
    for name in ("ann", "bob"):
        with made.tracker.session(name):
            ask(made, name)
    made.flush_tracker()
    assert {series: prompts(transports[0], series) for series in transports[0].series()} == {
        "ann": ["ann"],
        "bob": ["bob"],
    }


# -- followed live -----------------------------------------------------------------------


def test_records_are_printed_as_they_happen(
    transports: list[ScriptedTransport], capsys: pytest.CaptureFixture[str]
) -> None:
    made = handler(stream_logs=True)
    ScriptedLLM().generate(["a", "b"], callbacks=[made])
    lines = capsys.readouterr().out.splitlines()
    made.flush_tracker(name="mine", finish=True)
    published = [line for line in transports[0].console() if line.startswith("{'action': '")]
    assert lines == published
    assert len(lines) == 4


def test_without_stream_logs_nothing_is_printed(
    transports: list[ScriptedTransport], capfd: pytest.CaptureFixture[str]
) -> None:
    made = handler()
    ask(made, "a")
    made.flush_tracker(name="mine", finish=True)
    assert capfd.readouterr() == ("", "")


def ascii_stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


def closed_stream() -> io.TextIOWrapper:
    stream = ascii_stream()
    stream.close()
    return stream


class BrokenPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError("nobody reads")


@pytest.mark.parametrize("stream", [ascii_stream, closed_stream, BrokenPipe, lambda: None])
def test_an_output_that_cannot_be_written_costs_no_record(
    transports: list[ScriptedTransport],
    monkeypatch: pytest.MonkeyPatch,
    stream: Callable[[], io.TextIOBase | None],
) -> None:
    made = handler(stream_logs=True)
    monkeypatch.setattr(sys, "stdout", stream())
    ask(made, "naïve 😀")
    made.flush_tracker(name="mine", finish=True)
    monkeypatch.undo()
    assert prompts(transports[0], "mine") == ["naïve 😀"]
    records = [line for line in transports[0].console() if line.startswith("{'action': '")]
    assert len(records) == 2


# -- processor and exporter --------------------------------------------------------------


def test_a_processor_publishes_at_flush_and_shutdown(transports: list[ScriptedTransport]) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ClearMLSpanProcessor(task_name="a task"))
    spans = LangChainSpanHandler(provider)
    ask(spans, "a")
    assert provider.force_flush()
    (transport,) = transports
    assert prompts(transport, "session") == ["a"]
    ask(spans, "b")
    provider.shutdown()
    assert prompts(transport, "session") == ["a", "b"]
    assert transport.series() == ["session"]
    assert [status for status, _ in transport.closed] == ["completed"]


def test_a_flush_that_fails_says_false(transports: list[ScriptedTransport]) -> None:
    processor = ClearMLSpanProcessor(task_name="a task")
    _made.append(processor.tracker)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    transports[0].trouble = down
    ask(LangChainSpanHandler(provider), "a")
    assert not processor.force_flush(5_000)
    transports[0].trouble = None


@pytest.mark.parametrize("door", [ClearMLSpanProcessor, ClearMLSpanExporter])
def test_spans_of_a_handler_are_its_own(transports: list[ScriptedTransport], door: Any) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    sink = door(task_name="a task")
    provider.add_span_processor(sink if door is ClearMLSpanProcessor else SimpleSpanProcessor(sink))

    class Mine:
        def start_attributes(self) -> dict[str, str]:
            return {"clearml.tracker.id": "another"}

        def end_attributes(self) -> dict[str, str]:
            return {}

        def point_noted(self) -> None: ...

    ask(LangChainSpanHandler(provider, owner=Mine()), "owned")
    ask(LangChainSpanHandler(provider), "app-wide")
    provider.shutdown()
    assert prompts(transports[0], "session") == ["app-wide"]


def test_unsampled_spans_are_not_kept(transports: list[ScriptedTransport]) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(ClearMLSpanProcessor(task_name="a task"))
    ask(LangChainSpanHandler(provider), "a")
    provider.shutdown()
    assert transports[0].tried == []


def test_an_exporter(transports: list[ScriptedTransport], caplog: pytest.LogCaptureFixture) -> None:
    provider, memory = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    ask(LangChainSpanHandler(provider), "a")
    spans = memory.get_finished_spans()
    exporter = ClearMLSpanExporter(task_name="a task")
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    assert exporter.force_flush()
    assert prompts(transports[0], "session") == ["a"]
    # the same spans again, as after a time-out of somebody's, make no second row
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    exporter.shutdown()
    assert prompts(transports[0], "session") == ["a"]
    with caplog.at_level(logging.WARNING):
        assert exporter.export(spans) is SpanExportResult.FAILURE
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"task_name": "ab"},
        {"project_name": 3},
        {"no_such_setting": 1},
        {"max_buffered_spans": "many"},
        {"tags": 3.5},
        {"flush_timeout_s": -1},
    ],
    ids=repr,
)
def test_an_exporters_constructor_never_fails(
    transports: list[ScriptedTransport],
    settings: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        exporter = ClearMLSpanExporter(**settings)
    _made.append(exporter.tracker)
    assert len(caplog.records) == 1
    assert len(exporter.tracker.settings.task_name) >= 3


def test_a_failing_clearml_does_not_disturb_the_other_backend(
    transports: list[ScriptedTransport],
) -> None:
    provider, memory = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    processor = ClearMLSpanProcessor(task_name="a task")
    _made.append(processor.tracker)
    provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    transports[0].trouble = down
    spans = LangChainSpanHandler(provider)
    for number in range(5):
        ask(spans, f"q{number}")
        processor.force_flush(10)
    assert len(memory.get_finished_spans()) == 5
    records = [from_readable_span(span) for span in memory.get_finished_spans()]
    assert all(record.end_time_ns for record in records)
    transports[0].trouble = None


@pytest.mark.parametrize("processor", [BatchSpanProcessor, SimpleSpanProcessor])
def test_an_exporter_on_the_global_provider_counts_what_it_is_not_given(
    transports: list[ScriptedTransport],
    own_spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    processor: Any,
) -> None:
    exporter = ClearMLSpanExporter(task_name="a task")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    tracer = provider.get_tracer("t")
    tracer.start_span("first").end()
    assert provider.force_flush()
    given, exporter.export = exporter.export, lambda _: SpanExportResult.SUCCESS  # type: ignore[method-assign] - these are lost
    for _ in range(3):
        tracer.start_span("lost").end()
    assert provider.force_flush()
    exporter.export = given  # type: ignore[method-assign] - and these are not
    tracer.start_span("last").end()
    with caplog.at_level(logging.ERROR, "clearml_otel"):
        provider.shutdown()
    lost = "3 spans lost: dropped by the span processor, its queue was full\n"
    assert transports[0].configuration["Lost spans - session"] == lost
    assert "LOST: 3 spans" in caplog.text
    caplog.clear()
    # after the end nothing is dropped, and nothing written down
    tracer.start_span("after").end()
    exporter.shutdown()
    assert "LOST" not in caplog.text
    assert not own_spool.exists() or list(own_spool.iterdir()) == []
