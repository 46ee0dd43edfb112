"""What an application's own metrics say of our work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import ClearMLSpanExporter, ClearMLSpanProcessor
from clearml_otel import tracker as tracker_module
from clearml_otel.pipeline import delivery as delivery_module
from clearml_otel.pipeline import pipeline as pipeline_module
from clearml_otel.pipeline import publisher as publisher_module
from clearml_otel.pipeline import spool as spool_module
from clearml_otel.pipeline import stream as stream_module
from clearml_otel.pipeline import telemetry as telemetry_module
from clearml_otel.pipeline.pipeline import Pipeline
from clearml_otel.pipeline.telemetry import Telemetry
from clearml_otel.settings import Settings
from support.run_records import call
from support.scripted_transport import ScriptedTransport, down
from support.traced import memory_provider

LONG = 30.0


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetricReader:
    """Reads what is measured in this test alone."""
    made = InMemoryMetricReader()
    provider = MeterProvider([made], shutdown_on_exit=False)
    monkeypatch.setattr(telemetry_module, "get_meter", provider.get_meter)
    own = Telemetry()
    for module in (delivery_module, pipeline_module, publisher_module, spool_module):
        monkeypatch.setattr(module, "telemetry", own)
    return made


def values(reader: InMemoryMetricReader) -> dict[tuple[str, str], Any]:
    """Sums, counts and gauges by name and reason."""
    data = reader.get_metrics_data()
    return {
        (metric.name, _reason(point)): getattr(point, "value", getattr(point, "count", 0))
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def _reason(point: Any) -> str:
    attributes = point.attributes
    return str(attributes.get("error.type", attributes.get("clearml.reason", "")))


_made: list[Pipeline] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    for pipeline in _made:
        pipeline.transport.trouble = None
        pipeline.close()
    _made.clear()


def new(transport: ScriptedTransport, **keywords: Any) -> Pipeline:
    settings = Settings(task_name="a task", shutdown_timeout_s=LONG)
    _made.append(Pipeline(settings, transport, **keywords))
    return _made[-1]


def test_spans_on_their_way_and_in_clearml(reader: InMemoryMetricReader) -> None:
    pipeline = new(ScriptedTransport())
    for number in range(3):
        pipeline.add(call("q", 1 + 2 * number))
    pipeline.write()
    before = values(reader)
    assert before["otel.sdk.exporter.span.inflight", ""] == 3
    assert before["clearml.spool.bytes", ""] > 0
    pipeline.publish()
    assert pipeline.wait(LONG)
    pipeline.add(call("q", 9))
    pipeline.end_sessions()
    assert pipeline.wait(LONG)
    after = values(reader)
    assert after["otel.sdk.exporter.span.exported", ""] == 4
    assert after["otel.sdk.exporter.span.inflight", ""] == 0
    assert after["otel.sdk.exporter.operation.duration", ""] == 2
    assert after["clearml.delivery.waiting", ""] == 0


def test_failures_and_losses(reader: InMemoryMetricReader) -> None:
    transport = ScriptedTransport(down)
    pipeline = new(transport)
    pipeline.add(call("q", 1))
    pipeline.end_sessions()
    assert not pipeline.wait(LONG)
    pipeline._spool.lose(pipeline._stream.id, 0, "the spool was full", 7)
    found = values(reader)
    assert found["otel.sdk.exporter.operation.duration", "transient"] >= 1
    assert found["clearml.delivery.retries", "transient"] >= 1
    assert found["clearml.span.lost", "the spool was full"] == 7
    assert found["otel.sdk.exporter.span.exported", "the spool was full"] == 7
    assert found["clearml.delivery.waiting", ""] == 1


def test_a_span_processor_and_its_queue(
    reader: InMemoryMetricReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_module, "transport_for", lambda _: ScriptedTransport())
    processor = ClearMLSpanProcessor(task_name="a task", publish_interval_s=0)
    other = ClearMLSpanProcessor(task_name="another", publish_interval_s=0)
    exporter = ClearMLSpanExporter(task_name="no processor", publish_interval_s=0)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("t")
    for number in range(3):
        tracer.start_span(f"s{number}").end()
    queue = points(reader, "otel.sdk.processor.span.queue.size")
    assert queue["clearml_span_processor/0"][0] <= 3
    capacity = points(reader, "otel.sdk.processor.span.queue.capacity")
    assert {name: value for name, (value, _) in capacity.items()} == {
        "clearml_span_processor/0": 4_096,
        "clearml_span_processor/1": 4_096,
    }
    processor.tracker.write()
    assert points(reader, "otel.sdk.processor.span.queue.size")["clearml_span_processor/0"][0] == 0
    monkeypatch.setattr(stream_module, "encode", lambda spans: (b"", ["it cannot be encoded"]))
    tracer.start_span("bad").end()
    processor.tracker.write()
    provider.shutdown()
    tracer.start_span("too late").end()
    data = reader.get_metrics_data()
    processed = {
        point.attributes.get("error.type", ""): point.value
        for point in _points(data, "otel.sdk.processor.span.processed")
        if point.attributes["otel.component.type"] == "clearml_span_processor"
    }
    assert processed == {"": 3, "cannot be written down": 1, "already_shutdown": 1}
    other.shutdown()
    exporter.shutdown()


def points(reader: InMemoryMetricReader, name: str) -> dict[str, tuple[Any, Any]]:
    """Values and attributes of an instrument, by component."""
    return {
        str(point.attributes["otel.component.name"]): (point.value, point.attributes)
        for point in _points(reader.get_metrics_data(), name)
    }


def _points(data: Any, name: str) -> list[Any]:
    return [
        point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def test_traces(reader: InMemoryMetricReader) -> None:
    pipeline = new(ScriptedTransport(), timed=True, counted=True)
    assert pipeline._assembler is not None
    now = [0.0]
    pipeline._assembler._clock = lambda: now[0]
    provider, _ = memory_provider()
    span = provider.get_tracer("t").start_span("s")
    pipeline.started(span)
    assert values(reader)["clearml.trace.open", ""] == 1
    span.end()
    pipeline.add(span)
    now[0] = 3.0
    pipeline.tick()
    pipeline.add(span)
    now[0] = 6.0
    pipeline.tick()
    found = values(reader)
    assert found["clearml.trace.revisions", "complete"] == 2
    assert found["clearml.trace.late_spans", ""] == 1
    assert found["clearml.trace.open", ""] == 0
