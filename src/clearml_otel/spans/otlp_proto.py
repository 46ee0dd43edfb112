"""OTLP protobuf bytes to :class:`SpanRecord`; needs the extra ``otlp``."""

from __future__ import annotations

from typing import Any

from clearml_otel.spans.otlp import records_of
from clearml_otel.spans.record import AttributeValue, SpanDecodeError, SpanRecord


def from_otlp_protobuf(body: bytes) -> list[SpanRecord]:
    """Decode the body of one OTLP export request.

    Args:
        body: a serialised ``ExportTraceServiceRequest``, not compressed.

    Returns:
        The spans in the order of the message.

    Raises:
        SpanDecodeError: where the bytes are no such message.
        ModuleNotFoundError: without ``opentelemetry-proto`` (extra ``otlp``).
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise SpanDecodeError(f"not an OTLP protobuf trace request: {error}") from error
    return list(records_of(request, _any_value))


def _any_value(value: Any) -> AttributeValue:
    # an empty oneof is how OTLP writes null
    kind: str | None = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return tuple(_any_value(item) for item in value.array_value.values)
    if kind == "kvlist_value":
        return {pair.key: _any_value(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind)
