"""Span records of other instrumentations, made by hand."""

from __future__ import annotations

from itertools import count
from typing import Any

from clearml_otel.spans import SpanEvent, SpanRecord
from support.run_records import NOON, SECOND

_numbers = count(1)


def foreign(
    attributes: dict[str, Any],
    *,
    scope: str = "",
    name: str = "span",
    start: float = 0,
    end: float | None = 1,
    parent: SpanRecord | None = None,
    trace: int | None = None,
    error: str | None = None,
    events: tuple[SpanEvent, ...] = (),
    dropped: int = 0,
    process: str = "p1",
) -> SpanRecord:
    """A span from second `start` to second `end`; its trace is its parent's, or one of its own.

    `error` is the description of its error status.
    """
    number = next(_numbers)
    own_trace = f"{number if trace is None else trace:032x}"
    return SpanRecord(
        trace_id=parent.trace_id if parent else own_trace,
        span_id=f"{number:016x}",
        parent_span_id=parent.span_id if parent else None,
        name=name,
        start_time_ns=NOON + int(start * SECOND),
        end_time_ns=None if end is None else NOON + int(end * SECOND),
        status="unset" if error is None else "error",
        status_description=error or "",
        attributes=attributes,
        events=events,
        resource={"service.instance.id": process},
        scope_name=scope,
        dropped_attributes=dropped,
    )


def genai_chat(
    question: str = "q",
    answer: str = "a",
    *,
    tokens: tuple[int, int] = (3, 5),
    scope: str = "opentelemetry.instrumentation.genai.openai",
    **keywords: Any,
) -> SpanRecord:
    """A model call in OpenTelemetry's GenAI conventions."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.output_tokens": tokens[1],
        "gen_ai.input.messages": _messages("user", question),
        "gen_ai.output.messages": _messages("assistant", answer),
    }
    return foreign(attributes, scope=scope, name="chat m", **keywords)


def openinference_run(
    kind: str, name: str, *, scope: str = "openinference.instrumentation.langchain", **keywords: Any
) -> SpanRecord:
    """A run in OpenInference's convention; further attributes as a dictionary `more`."""
    more = keywords.pop("more", {})
    return foreign({"openinference.span.kind": kind, **more}, scope=scope, name=name, **keywords)


def _messages(role: str, text: str) -> str:
    return f'[{{"role":"{role}","parts":[{{"type":"text","content":"{text}"}}]}}]'
