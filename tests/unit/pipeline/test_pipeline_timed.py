"""Finished traces are published without being asked for; those that go on are not, or as they are.

Times are real but short; nothing here sleeps: each test waits for what the transport is given.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanProcessor

from clearml_otel import ClearMLCallbackHandler, ClearMLSpanExporter, ClearMLSpanProcessor, Tracker
from clearml_otel import tracker as tracker_module
from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.spans.otlp_json import from_otlp_json
from support.scripted_models import ScriptedLLM
from support.scripted_transport import ScriptedTransport, down

LONG = 30.0
QUICK: dict[str, Any] = {
    "task_name": "a task",
    "trace_grace_s": 0.05,
    "trace_quiet_s": 0.05,
    "publish_interval_s": 0.01,
}


class Watched(ScriptedTransport):
    """Tells when a publication has been made."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()

    def upload_artifact(self, artifact: Any) -> None:
        super().upload_artifact(artifact)
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, predicate: Callable[[], Any]) -> Any:
        with self.changed:
            assert self.changed.wait_for(predicate, LONG)


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Watched:
    made = Watched()
    monkeypatch.setattr(tracker_module, "transport_for", lambda _: made)
    return made


_made: list[Tracker] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    for tracker in _made:
        tracker.close()
    _made.clear()


def provider_with(**settings: Any) -> tuple[TracerProvider, ClearMLSpanProcessor]:
    processor = ClearMLSpanProcessor(**{**QUICK, **settings})
    _made.append(processor.tracker)
    return on_provider(processor), processor


def on_provider(processor: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def ask(provider: TracerProvider, *prompts: str) -> None:
    handler = LangChainSpanHandler(provider)
    for prompt in prompts:
        ScriptedLLM().invoke(prompt, {"callbacks": [handler]})


def prompts(transport: ScriptedTransport, series: str = "session") -> list[str]:
    return [row[1] for row in transport.tables().get(("Session Analysis", series), [])]


def spans_kept(transport: ScriptedTransport, series: str = "session") -> bool:
    """The last step of a publication has been made."""
    return f"Spans - {series}" in transport.artifacts


def test_tables_appear_and_are_replaced_without_a_flush(transport: Watched) -> None:
    provider, _ = provider_with()
    ask(provider, "a")
    transport.wait_for(lambda: spans_kept(transport))
    assert prompts(transport) == ["a"]
    ask(provider, "b")
    transport.wait_for(lambda: prompts(transport) == ["a", "b"])
    assert transport.series() == ["session"]


def test_with_an_exporter_too(transport: Watched) -> None:
    exporter = ClearMLSpanExporter(**QUICK)
    _made.append(exporter.tracker)
    provider = on_provider(BatchSpanProcessor(exporter, schedule_delay_millis=10))
    ask(provider, "a")
    transport.wait_for(lambda: prompts(transport) == ["a"])
    provider.shutdown()


def test_a_trace_that_goes_on_is_left_out_until_it_is_whole(transport: Watched) -> None:
    provider, _ = provider_with()
    tracer = provider.get_tracer("app")
    with tracer.start_as_current_span("request"):
        ask(provider, "inside")
        fresh = threading.Thread(target=ask, args=(provider, "whole"))
        fresh.start()
        fresh.join()
        transport.wait_for(lambda: prompts(transport))
        assert prompts(transport) == ["whole"]
    transport.wait_for(lambda: prompts(transport) == ["inside", "whole"])
    assert ("Open Spans", "session") not in transport.tables()


def test_a_long_root_is_visible_before_it_ends(transport: Watched) -> None:
    provider, _ = provider_with(checkpoint_s=0.1)
    root = provider.get_tracer("app").start_span("nightly")
    with otel_trace.use_span(root):
        ask(provider, "inside")
    transport.wait_for(lambda: transport.tables().get(("Open Spans", "session")))
    assert prompts(transport) == ["inside"]
    (row,) = transport.tables()["Open Spans", "session"]
    assert (row[2], row[4]) == ("nightly", "checkpoint")
    root.end()
    # ended, it is listed no more
    transport.wait_for(lambda: transport.tables()["Open Spans", "session"] == [])


def runs(transport: ScriptedTransport) -> dict[str, list[dict[str, Any]]]:
    """The rows of the runs tables by series."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in transport.events:
        if event.get("metric") == "Runs":
            (trace,) = json.loads(event["plot_str"])["data"]
            names = [head[0] for head in trace["header"]["values"]]
            rows = zip(*trace["cells"]["values"], strict=True)
            found[event["variant"]] = [dict(zip(names, row, strict=True)) for row in rows]
    return found


def test_a_table_says_which_traces_are_not_whole_and_why(transport: Watched) -> None:
    provider, _ = provider_with(publish_interval_s=60.0)
    ask(provider, "whole")
    root = provider.get_tracer("app").start_span("open")
    with otel_trace.use_span(root):
        ask(provider, "inside")
    assert provider.force_flush()
    notes = [row["published_because"] for row in runs(transport)["session"]]
    assert notes == ["", "flush: 1 open"]
    root.end()
    provider.shutdown()
    assert "published_because" not in runs(transport)["session"][0]


def test_what_is_not_settled_goes_on_in_the_next_part(transport: Watched) -> None:
    provider, processor = provider_with(max_buffered_spans=10)
    with processor.tracker.session("long"):
        root = provider.get_tracer("app").start_span("goes on")
        with otel_trace.use_span(root):
            ask(provider, "before")
    with processor.tracker.session("many"):
        ask(provider, *(f"q{number}" for number in range(12)))
    transport.wait_for(lambda: spans_kept(transport, "many"))
    with processor.tracker.session("long"), otel_trace.use_span(root):
        ask(provider, "after")
    root.end()
    provider.shutdown()
    assert prompts(transport, "long") == ["before", "after"]
    assert ("Session Analysis", "long (2)") not in transport.tables()
    found = [prompt for series in ("many", "many (2)") for prompt in prompts(transport, series)]
    assert found == [f"q{number}" for number in range(12)]
    assert all("published_because" not in row for rows in runs(transport).values() for row in rows)


def test_a_session_that_goes_on_as_a_whole_keeps_its_name(transport: Watched) -> None:
    """It was published as it was already: its rows must not be in two series."""
    provider, processor = provider_with(max_buffered_spans=10, checkpoint_s=0.1)
    with processor.tracker.session("long"):
        root = provider.get_tracer("app").start_span("goes on")
        with otel_trace.use_span(root):
            ask(provider, "before")
    transport.wait_for(lambda: spans_kept(transport, "long"))
    with processor.tracker.session("many"):
        ask(provider, *(f"q{number}" for number in range(12)))
    transport.wait_for(lambda: processor.tracker._pipeline._stream.part == 1)
    root.end()
    provider.shutdown()
    assert prompts(transport, "long") == ["before"]
    assert ("Session Analysis", "long (2)") not in transport.tables()


def test_a_trace_too_large_to_go_on_is_in_two_series_that_say_so(transport: Watched) -> None:
    provider, _ = provider_with(max_buffered_spans=10)
    root = provider.get_tracer("app").start_span("goes on")
    with otel_trace.use_span(root):
        ask(provider, *(f"a{number}" for number in range(12)))
        transport.wait_for(lambda: spans_kept(transport))
        ask(provider, "b")
    root.end()
    provider.shutdown()
    found = runs(transport)
    first = {row["published_because"] for row in found["session"]}
    assert first == {"full: it goes on in another series"}
    (row,) = found["session (2)"]
    assert row["published_because"] == "it began in another series"


def test_spans_that_come_long_after_their_trace_are_listed(transport: Watched) -> None:
    provider, processor = provider_with(late_window_s=0.0)
    root = provider.get_tracer("app").start_span("root")
    with otel_trace.use_span(root):
        ask(provider, "in time")
    root.end()
    transport.wait_for(lambda: spans_kept(transport))
    processor.tracker.flush()
    with otel_trace.use_span(root):
        ask(provider, "late")
    ask(provider, "another")
    provider.shutdown()
    (row,) = transport.tables()["Late Spans", "session (2)"]
    context = root.get_span_context()
    assert row[0] == otel_trace.format_trace_id(context.trace_id)
    assert row[2] == otel_trace.format_span_id(context.span_id)
    assert prompts(transport, "session (2)") == ["another"]
    kept = gzip.decompress(transport.artifacts["Spans - session (2)"].data).decode()
    assert len([each for line in kept.splitlines() for each in from_otlp_json(line)]) == 2


def test_a_late_entry_of_its_trace_is_a_run_like_others(transport: Watched) -> None:
    """A service is called again in a trace of long ago."""
    provider, processor = provider_with(late_window_s=0.0)
    remote = otel_trace.SpanContext(1, 2, is_remote=True, trace_flags=otel_trace.TraceFlags(1))
    for prompt in ("first", "second"):
        with otel_trace.use_span(otel_trace.NonRecordingSpan(remote)):
            ask(provider, prompt)
        processor.tracker.flush()
    provider.shutdown()
    assert prompts(transport, "session (2)") == ["second"]
    assert ("Late Spans", "session (2)") not in transport.tables()


def test_a_flush_says_what_is_open(transport: Watched) -> None:
    provider, _ = provider_with(publish_interval_s=60.0)
    root = provider.get_tracer("app").start_span("open")
    with otel_trace.use_span(root):
        ask(provider, "inside")
    assert provider.force_flush()
    (row,) = transport.tables()["Open Spans", "session"]
    assert (row[2], row[4]) == ("open", "flush")
    assert prompts(transport) == ["inside"]
    root.end()
    provider.shutdown()
    assert transport.tables()["Open Spans", "session"] == []


def test_a_session_that_is_published_already_is_not_sent_again(transport: Watched) -> None:
    provider, processor = provider_with()
    with processor.tracker.session("ann"):
        ask(provider, "a")
    transport.wait_for(lambda: spans_kept(transport, "ann"))
    with processor.tracker.session("bob"):
        ask(provider, "b")
    transport.wait_for(lambda: spans_kept(transport, "bob"))
    provider.shutdown()
    series = [e["variant"] for e in transport.events if e["metric"] == "Session Analysis"]
    assert series == ["ann", "bob"]


def test_a_busy_service_does_not_send_its_tables_all_the_time(transport: Watched) -> None:
    provider, processor = provider_with(publish_interval_s=3_600.0)
    ask(provider, "a")
    transport.wait_for(lambda: spans_kept(transport))
    for number in range(5):
        ask(provider, f"q{number}")
        # whole by now, but the interval is not over
        assert processor.tracker._pipeline._assembler is not None
        processor.tracker._pipeline._assembler._clock = lambda: 1e9
        processor.tracker._pipeline.tick()
    assert prompts(transport) == ["a"]
    provider.shutdown()
    assert len(prompts(transport)) == 6


def test_zero_turns_it_off(transport: Watched) -> None:
    provider, processor = provider_with(publish_interval_s=0.0)
    ask(provider, "a")
    assert processor.tracker._pipeline._assembler is None
    assert processor.tracker._pipeline.tick() == float("inf")
    assert transport.tried == []
    provider.shutdown()
    assert prompts(transport) == ["a"]


def test_sessions_of_a_handler_wait_for_their_name(transport: Watched) -> None:
    handler = ClearMLCallbackHandler(project_name="a project", task_name="a task")
    _made.append(handler.tracker)
    ScriptedLLM().invoke("a", {"callbacks": [handler]})
    handler.tracker._pipeline.tick()
    assert transport.tried == []
    handler.flush_tracker("mine", finish=True)
    assert prompts(transport, "mine") == ["a"]
    assert transport.series() == ["mine"]


def test_an_outage_ends_with_all_traces_published(transport: Watched) -> None:
    provider, _ = provider_with()
    failed = threading.Event()

    def fail(method: str) -> None:
        failed.set()
        down()

    transport.trouble = fail
    ask(provider, "a")
    assert failed.wait(LONG)
    ask(provider, "b")
    transport.trouble = None
    transport.wait_for(lambda: prompts(transport) == ["a", "b"])
