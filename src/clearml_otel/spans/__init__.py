"""The neutral finished span and its decoders: SDK spans, OTLP protobuf, OTLP JSON lines."""

from __future__ import annotations

from clearml_otel.spans.record import (
    Attributes,
    AttributeValue,
    SpanDecodeError,
    SpanEvent,
    SpanLink,
    SpanRecord,
)
from clearml_otel.spans.sdk import from_readable_span

__all__ = [
    "AttributeValue",
    "Attributes",
    "SpanDecodeError",
    "SpanEvent",
    "SpanLink",
    "SpanRecord",
    "from_readable_span",
]
