"""The log event of a model call, as the SDK's exporters get it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import attributes as names
from clearml_otel import diagnostics
from clearml_otel.langchain import log_events
from clearml_otel.langchain.evaluation_events import EvaluationEvents
from clearml_otel.langchain.inference_events import InferenceEvents

REQUEST = {
    names.OPERATION_NAME: "chat",
    names.PROVIDER_NAME: "openai",
    names.REQUEST_MODEL: "gpt-4o",
    names.SERVER_ADDRESS: "h",
    names.CONVERSATION_ID: "c",
    names.RUN_ID: "of the span only",
    names.METADATA_PREFIX + "key": "of the span only",
}
RESPONSE = {
    names.RESPONSE_MODEL: "gpt-4o-2024",
    names.RESPONSE_FINISH_REASONS: ["stop"],
    names.USAGE_INPUT_TOKENS: 8,
    names.USAGE_TOTAL_TOKENS: 11,
}
ASKED: list[Any] = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
ANSWERED: list[Any] = [
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": [1, 2]}}],
        "finish_reason": "tool_calls",
    }
]
TOOLS: list[Any] = [{"type": "function", "name": "add"}]
CONTENT = {
    names.INPUT_MESSAGES: json.dumps(ASKED),
    names.OUTPUT_MESSAGES: json.dumps(ANSWERED),
    names.TOOL_DEFINITIONS: json.dumps(TOOLS),
}


def plain(value: Any) -> Any:
    """The SDK's immutable mappings and sequences as dictionaries and lists."""
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.fixture
def exporter() -> InMemoryLogRecordExporter:
    return InMemoryLogRecordExporter()


@pytest.fixture
def provider(exporter: InMemoryLogRecordExporter) -> LoggerProvider:
    made = LoggerProvider()
    made.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    return made


@pytest.fixture
def span() -> Any:
    return TracerProvider().get_tracer("t").start_span("chat gpt-4o")


def test_the_event_of_a_call(
    exporter: InMemoryLogRecordExporter, provider: LoggerProvider, span: Any
) -> None:
    InferenceEvents(provider).emit(span, REQUEST, RESPONSE, CONTENT)
    [told] = exporter.get_finished_logs()
    record = told.log_record
    assert record.event_name == "gen_ai.client.inference.operation.details"
    assert record.severity_number is SeverityNumber.DEBUG
    assert record.timestamp
    assert record.body is None
    context = span.get_span_context()
    assert (record.trace_id, record.span_id) == (context.trace_id, context.span_id)
    assert told.instrumentation_scope.name == names.SCOPE_NAME
    assert plain(record.attributes) == {
        names.OPERATION_NAME: "chat",
        names.PROVIDER_NAME: "openai",
        names.REQUEST_MODEL: "gpt-4o",
        "server.address": "h",
        names.CONVERSATION_ID: "c",
        names.RESPONSE_MODEL: "gpt-4o-2024",
        names.RESPONSE_FINISH_REASONS: ["stop"],
        names.USAGE_INPUT_TOKENS: 8,
        "gen_ai.input.messages": ASKED,
        "gen_ai.output.messages": ANSWERED,
        "gen_ai.tool.definitions": TOOLS,
    }


def test_the_event_of_a_failed_call(
    exporter: InMemoryLogRecordExporter, provider: LoggerProvider, span: Any
) -> None:
    failed = {names.ERROR_TYPE: "RateLimitError", names.ERROR_MESSAGE: "of the span only"}
    asked = {names.INPUT_MESSAGES: json.dumps(ASKED)}
    InferenceEvents(provider).emit(span, REQUEST, failed, asked)
    [told] = exporter.get_finished_logs()
    found = plain(told.log_record.attributes)
    assert found["error.type"] == "RateLimitError"
    assert found["gen_ai.input.messages"] == ASKED
    assert names.ERROR_MESSAGE not in found


def test_content_that_the_span_holds_is_taken_from_there(
    exporter: InMemoryLogRecordExporter, provider: LoggerProvider, span: Any
) -> None:
    request = {**REQUEST, names.INPUT_MESSAGES: CONTENT[names.INPUT_MESSAGES]}
    response = {**RESPONSE, names.OUTPUT_MESSAGES: '[{"cut": "by a li'}
    InferenceEvents(provider).emit(span, request, response)
    [told] = exporter.get_finished_logs()
    found = plain(told.log_record.attributes)
    assert found["gen_ai.input.messages"] == ASKED
    assert found["gen_ai.output.messages"] == '[{"cut": "by a li'


def test_no_provider_takes_events_in_silence(span: Any, caplog: pytest.LogCaptureFixture) -> None:
    InferenceEvents().emit(span, REQUEST, RESPONSE, CONTENT)
    assert caplog.records == []


@pytest.mark.parametrize("kind", ["inference", "evaluation"])
def test_an_api_without_named_events_is_warned_of_once(
    kind: str,
    exporter: InMemoryLogRecordExporter,
    provider: LoggerProvider,
    span: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def old_record(*, timestamp: int, severity_number: Any, attributes: Any) -> None:
        """The constructor of opentelemetry-api 1.30, less what is not needed here."""

    monkeypatch.setattr(log_events, "LogRecord", old_record)
    for name in (names.EVENT_INFERENCE_DETAILS, names.EVENT_EVALUATION_RESULT):
        diagnostics.forget(f"log_events.{name}")
    for _ in range(2):
        if kind == "inference":
            InferenceEvents(provider).emit(span, REQUEST, RESPONSE, CONTENT)
        else:
            EvaluationEvents(provider).emit(span, [{"flesch": 1.0}], None)
    assert exporter.get_finished_logs() == ()
    [line] = [record.getMessage() for record in caplog.records]
    assert "needs a newer opentelemetry-api" in line


class BrokenProvider(LoggerProvider):
    def get_logger(self, *args: Any, **kwargs: Any) -> Any:
        class Broken:
            def emit(self, record: object) -> None:
                raise RuntimeError("no room")

        return Broken()


def test_a_broken_provider_is_reported_and_hurts_nobody(
    span: Any, caplog: pytest.LogCaptureFixture
) -> None:
    diagnostics.forget("langchain.inference event.RuntimeError")
    InferenceEvents(BrokenProvider()).emit(span, REQUEST, RESPONSE, CONTENT)
    assert [record.name for record in caplog.records] == ["clearml_otel"]
