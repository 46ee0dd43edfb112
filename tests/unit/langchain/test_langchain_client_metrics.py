"""The GenAI metrics: names, units, buckets, values and attributes, as the SDK collects them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context

from clearml_otel import attributes as names
from clearml_otel import diagnostics
from clearml_otel.langchain.client_metrics import ClientMetrics

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (
    1,
    4,
    16,
    64,
    256,
    1024,
    4096,
    16384,
    65536,
    262144,
    1048576,
    4194304,
    16777216,
    67108864,
)
AGENT = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
WORKFLOW = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)

REQUEST = {
    names.OPERATION_NAME: "chat",
    names.PROVIDER_NAME: "openai",
    names.REQUEST_MODEL: "gpt-4o",
    names.SERVER_ADDRESS: "h",
    names.SERVER_PORT: 443,
    names.RUN_ID: "never",
    names.SESSION_ID: "never",
    names.CONVERSATION_ID: "never",
    names.REQUEST_TEMPERATURE: 0.5,
    names.INPUT_MESSAGES: "never",
}
RESPONSE = {
    names.RESPONSE_MODEL: "gpt-4o-2024-08-06",
    names.USAGE_INPUT_TOKENS: 8,
    names.USAGE_OUTPUT_TOKENS: 3,
    names.USAGE_TOTAL_TOKENS: 11,
    names.RESPONSE_ID: "never",
    names.OUTPUT_MESSAGES: "never",
}
ASKED = {
    names.OPERATION_NAME: "chat",
    names.PROVIDER_NAME: "openai",
    names.REQUEST_MODEL: "gpt-4o",
    "server.address": "h",
    "server.port": 443,
}
COMMON = {**ASKED, names.RESPONSE_MODEL: "gpt-4o-2024-08-06"}


class Collected:
    """A meter provider, and what it was told."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])
        self.metrics = ClientMetrics(self.provider)

    def told(self) -> dict[str, Metric]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        assert {scope.scope.name for scope in scopes} <= {names.SCOPE_NAME}
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str) -> list[HistogramDataPoint]:
        metric = self.told().get(name)
        return list(metric.data.data_points) if metric is not None else []  # type: ignore[arg-type]

    def point(self, name: str) -> HistogramDataPoint:
        [point] = self.points(name)
        return point


@pytest.fixture
def collected() -> Collected:
    return Collected()


def test_a_model_call(collected: Collected) -> None:
    collected.metrics.record(REQUEST, RESPONSE, 0.75)
    told = collected.told()
    assert set(told) == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}

    duration = told["gen_ai.client.operation.duration"]
    assert (duration.unit, duration.description) == ("s", "GenAI operation duration.")
    point: Any = duration.data.data_points[0]
    assert (point.count, point.sum, point.attributes) == (1, 0.75, COMMON)
    assert point.explicit_bounds == SECONDS

    usage = told["gen_ai.client.token.usage"]
    assert usage.unit == "{token}"
    assert usage.description == "Number of input and output tokens used."
    points: list[Any] = list(usage.data.data_points)
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in points} == {
        "input": 8,
        "output": 3,
    }
    assert all(point.explicit_bounds == TOKENS for point in points)
    assert [{**point.attributes, "gen_ai.token.type": None} for point in points] == [
        {**COMMON, "gen_ai.token.type": None}
    ] * 2


def test_a_streamed_call(collected: Collected) -> None:
    collected.metrics.record(REQUEST, RESPONSE, 2.0, 0.25)
    first = collected.point("gen_ai.client.operation.time_to_first_chunk")
    assert (first.sum, first.attributes) == (0.25, COMMON)
    assert first.explicit_bounds == SECONDS


def test_a_failed_call(collected: Collected) -> None:
    collected.metrics.record(REQUEST, {names.ERROR_TYPE: "RateLimitError"}, 0.1)
    point = collected.point("gen_ai.client.operation.duration")
    assert point.attributes == {**ASKED, "error.type": "RateLimitError"}


def test_usage_that_a_failed_call_still_tells_has_no_error_type(collected: Collected) -> None:
    collected.metrics.record(REQUEST, {**RESPONSE, names.ERROR_TYPE: "E"}, 0.1, 0.05)
    for name in ("gen_ai.client.token.usage", "gen_ai.client.operation.time_to_first_chunk"):
        assert collected.points(name)
        assert all("error.type" not in (p.attributes or {}) for p in collected.points(name))


@pytest.mark.parametrize(
    ("request_", "name", "buckets", "attributes"),
    [
        (
            {
                names.OPERATION_NAME: "execute_tool",
                names.TOOL_NAME: "add",
                names.TOOL_TYPE: "function",
                names.TOOL_CALL_ID: "never",
            },
            "gen_ai.execute_tool.duration",
            SECONDS,
            {names.TOOL_NAME: "add", names.TOOL_TYPE: "function"},
        ),
        (
            {
                names.OPERATION_NAME: "invoke_agent",
                names.AGENT_NAME: "math",
                names.AGENT_ID: "never",
            },
            "gen_ai.invoke_agent.duration",
            AGENT,
            {names.AGENT_NAME: "math"},
        ),
        (
            {names.OPERATION_NAME: "invoke_workflow", names.WORKFLOW_NAME: "flow"},
            "gen_ai.invoke_workflow.duration",
            WORKFLOW,
            {names.WORKFLOW_NAME: "flow"},
        ),
    ],
)
def test_tools_agents_and_workflows(
    collected: Collected,
    request_: dict[str, Any],
    name: str,
    buckets: tuple[float, ...],
    attributes: dict[str, Any],
) -> None:
    collected.metrics.record(request_, {}, 0.5)
    collected.metrics.record(request_, {names.ERROR_TYPE: "ValueError"}, 0.5)
    told = collected.told()
    assert set(told) == {name}
    assert told[name].unit == "s"
    assert told[name].description
    points: list[Any] = list(told[name].data.data_points)
    assert [point.attributes for point in points] == [
        attributes,
        {**attributes, "error.type": "ValueError"},
    ]
    assert {tuple(round(b, 6) for b in point.explicit_bounds) for point in points} == {buckets}


def test_a_retrieval_is_a_client_operation(collected: Collected) -> None:
    collected.metrics.record({names.OPERATION_NAME: "retrieval"}, {}, 0.5)
    point = collected.point("gen_ai.client.operation.duration")
    assert point.attributes == {names.OPERATION_NAME: "retrieval"}


def test_a_plain_chain_is_no_operation(collected: Collected) -> None:
    collected.metrics.record({names.RUN_TYPE: "chain"}, {}, 0.5)
    assert collected.told() == {}


def test_the_measurements_point_to_their_span(collected: Collected) -> None:
    span = TracerProvider().get_tracer("t").start_span("chat")
    context = set_span_in_context(span)
    collected.metrics.record(REQUEST, RESPONSE, 0.75, None, context)
    span.end()
    [exemplar] = collected.point("gen_ai.client.operation.duration").exemplars
    assert exemplar.span_id == span.get_span_context().span_id


def test_several_handlers_share_the_instruments(
    collected: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    for metrics in (collected.metrics, ClientMetrics(collected.provider)):
        metrics.record(REQUEST, RESPONSE, 0.75)
    assert collected.point("gen_ai.client.operation.duration").count == 2
    # the SDK warns of an instrument that is made twice
    assert caplog.records == []


def test_providers_that_drop_everything() -> None:
    for provider in (None, NoOpMeterProvider()):
        metrics = ClientMetrics(provider)
        assert not metrics.enabled
        metrics.record(REQUEST, RESPONSE, 0.75, 0.1)
    assert ClientMetrics(MeterProvider([InMemoryMetricReader()])).enabled


LATER = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from clearml_otel.langchain import client_metrics
from clearml_otel.langchain.client_metrics import ClientMetrics
ours = ClientMetrics()
assert not ours.enabled
ours.record({"gen_ai.operation.name": "chat"}, {}, 1.0)
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
now = client_metrics.time.monotonic()
client_metrics.time.monotonic = lambda: now + 1.1
assert ours.enabled
ours.record({"gen_ai.operation.name": "chat"}, {}, 2.0)
[resource] = reader.get_metrics_data().resource_metrics
[metric] = resource.scope_metrics[0].metrics
print(metric.name, metric.data.data_points[0].sum)
"""


def test_a_global_provider_that_is_set_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATER], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["gen_ai.client.operation.duration", "2.0"]
    assert done.stderr == ""


class BrokenProvider(MeterProvider):
    def get_meter(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no meter")


def test_a_broken_provider_is_reported_and_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    diagnostics.forget("langchain.metrics.RuntimeError")
    metrics = ClientMetrics(BrokenProvider([InMemoryMetricReader()]))
    metrics.record(REQUEST, RESPONSE, 0.75)
    assert not metrics.enabled
    assert [record.name for record in caplog.records] == ["clearml_otel"]


class OldMeter:
    """As before opentelemetry-api 1.30: no advice on buckets."""

    def __init__(self, meter: Any) -> None:
        self._meter = meter

    def create_histogram(self, name: str, unit: str = "", description: str = "") -> Any:
        return self._meter.create_histogram(name, unit, description)


class OldProvider(MeterProvider):
    def get_meter(self, *args: Any, **kwargs: Any) -> Any:
        return OldMeter(super().get_meter(*args, **kwargs))


def test_an_api_without_advice_on_buckets() -> None:
    collected = Collected()
    collected.provider = OldProvider([reader := InMemoryMetricReader()])
    collected.reader, collected.metrics = reader, ClientMetrics(collected.provider)
    collected.metrics.record(REQUEST, RESPONSE, 0.75)
    assert collected.point("gen_ai.client.operation.duration").sum == 0.75
