"""What an application's own metrics say of our work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from clearml_otel.pipeline import delivery as delivery_module
from clearml_otel.pipeline import pipeline as pipeline_module
from clearml_otel.pipeline import publisher as publisher_module
from clearml_otel.pipeline import spool as spool_module
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
