"""The name of a run, from its span."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan

from clearml_otel import attributes as names
from clearml_otel.spans import SpanRecord


def run_name(span: ReadableSpan | SpanRecord) -> str:
    attributes = span.attributes or {}
    return str(attributes.get(names.RUN_NAME) or attributes.get(names.TOOL_NAME) or span.name)
