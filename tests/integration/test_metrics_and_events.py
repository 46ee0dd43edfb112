"""What ``instrument()`` gives besides spans: metrics, and content in log events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from clearml_otel import attributes as names
from clearml_otel.langchain import LangChainInstrumentor
from support.scripted_models import ScriptedChatModel
from support.traced import memory_provider

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
USAGE = {"input_tokens": 8, "output_tokens": 3, "total_tokens": 11}
ANSWER = AIMessage("a swordfish", usage_metadata=USAGE)


@tool
def shout(text: str) -> str:
    """Says it louder."""
    return text.upper()


@pytest.fixture(autouse=True)
def _uninstrumented() -> Iterator[None]:
    yield
    LangChainInstrumentor().uninstrument()


def measured(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.mark.parametrize("sampled", [True, False])
def test_metrics_count_every_run_also_those_sampled_out(sampled: bool) -> None:
    provider, exporter = memory_provider() if sampled else memory_provider(ALWAYS_OFF)
    reader = InMemoryMetricReader()
    LangChainInstrumentor().instrument(
        tracer_provider=provider, meter_provider=MeterProvider([reader])
    )
    ScriptedChatModel(answer=ANSWER).invoke("q")
    with pytest.raises(ValueError, match="no answer"):
        ScriptedChatModel(fails_on=["q"]).invoke("q")
    shout.invoke({"text": "hi"})
    assert len(exporter.get_finished_spans()) == (3 if sampled else 0)
    points = measured(reader)
    durations = {
        point.attributes.get(names.ERROR_TYPE): point.count
        for point in points["gen_ai.client.operation.duration"]
    }
    assert durations == {None: 1, "ValueError": 1}
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in points["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": 8, "output": 3}
    (ran,) = points["gen_ai.execute_tool.duration"]
    assert (ran.count, ran.attributes[names.TOOL_NAME]) == (1, "shout")


@pytest.mark.parametrize(
    ("mode", "on_spans", "in_events"),
    [
        ("NO_CONTENT", False, False),
        ("span_only", True, False),
        ("EVENT_ONLY", False, True),
        ("SPAN_AND_EVENT", True, True),
    ],
)
@pytest.mark.parametrize("door", ["keyword", "variable"])
def test_content_goes_where_the_mode_says(
    mode: str, on_spans: bool, in_events: bool, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, exporter = memory_provider()
    logs = LoggerProvider()
    kept = InMemoryLogRecordExporter()
    logs.add_log_record_processor(SimpleLogRecordProcessor(kept))
    if door == "variable":
        monkeypatch.setenv(VARIABLE, mode)
    LangChainInstrumentor().instrument(
        tracer_provider=provider,
        logger_provider=logs,
        capture_content=mode if door == "keyword" else None,
        redact=lambda text, where: text.replace("swordfish", "[word]"),
    )
    ScriptedChatModel(answer=ANSWER).invoke([HumanMessage("the swordfish?")])
    (span,) = exporter.get_finished_spans()
    attributes = dict(span.attributes or {})
    told = (names.INPUT_MESSAGES in attributes, names.OUTPUT_MESSAGES in attributes)
    assert told == (on_spans, on_spans)
    assert attributes[names.USAGE_INPUT_TOKENS] == 8
    records = [data.log_record for data in kept.get_finished_logs()]
    assert len(records) == int(in_events)
    if in_events:
        (record,) = records
        assert record.event_name == "gen_ai.client.inference.operation.details"
        assert record.span_id == span.context.span_id
        found: Any = dict(record.attributes or {})
        (asked,), (said,) = found[names.INPUT_MESSAGES], found[names.OUTPUT_MESSAGES]
        assert asked["parts"][0]["content"] == "the [word]?"
        assert said["parts"][0]["content"] == "a [word]"
        assert found[names.USAGE_OUTPUT_TOKENS] == 3
    assert "swordfish" not in repr((attributes, records))
