"""From OTLP messages to :class:`SpanRecord`, and back for the archive.

OTLP protobuf messages and those of ``opentelemetry-proto-json`` have the same fields under
the same names, so one reader serves both; only an attribute's value is picked differently.
Specification: https://opentelemetry.io/docs/specs/otlp/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from clearml_otel.spans.record import (
    Attributes,
    AttributeValue,
    SpanDecodeError,
    SpanEvent,
    SpanLink,
    SpanRecord,
)

_KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
_STATUSES: Final = ("unset", "ok", "error")
_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200

# a generated message: protobuf's classes and the JSON dataclasses share no base
Message = Any
Pick = Callable[[Message], AttributeValue]


def records_of(request: Message, pick: Pick) -> Iterator[SpanRecord]:
    """Every span of one ``ExportTraceServiceRequest`` or ``TracesData`` message.

    Args:
        request: the message.
        pick: gives the plain value of one ``AnyValue`` message.

    Raises:
        SpanDecodeError: for ids of a wrong length or numbers out of range.
    """
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource and resource_spans.resource.attributes, pick)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            name, version = (scope.name or "", scope.version or "") if scope else ("", "")
            for span in scope_spans.spans:
                yield _record(span, resource, name, version, pick)


def _record(
    span: Message, resource: Attributes, scope: str, version: str, pick: Pick
) -> SpanRecord:
    _check_ids(span)
    flags = span.flags or 0
    status = span.status
    return SpanRecord(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex() if span.parent_span_id else None,
        parent_is_remote=(
            bool(flags & _IS_REMOTE) if span.parent_span_id and flags & _HAS_IS_REMOTE else None
        ),
        name=span.name or "",
        kind=_name_of(_KINDS, span.kind),
        start_time_ns=in_range(span.start_time_unix_nano or 0, 0, 1 << 64),
        end_time_ns=in_range(span.end_time_unix_nano or 0, 0, 1 << 64) or None,
        status=_name_of(_STATUSES, status.code) if status else "unset",
        status_description=(status.message or "") if status else "",
        attributes=_attributes(span.attributes, pick),
        events=tuple(
            SpanEvent(
                event.name or "",
                event.time_unix_nano or 0,
                _attributes(event.attributes, pick),
                event.dropped_attributes_count or 0,
            )
            for event in span.events
        ),
        links=tuple(
            SpanLink(
                link.trace_id.hex(),
                link.span_id.hex(),
                _attributes(link.attributes, pick),
                link.dropped_attributes_count or 0,
            )
            for link in span.links
        ),
        resource=resource,
        scope_name=scope,
        scope_version=version,
        trace_state=span.trace_state or "",
        dropped_attributes=span.dropped_attributes_count or 0,
        dropped_events=span.dropped_events_count or 0,
        dropped_links=span.dropped_links_count or 0,
    )


def _check_ids(span: Message) -> None:
    """Ids of other lengths come from a broken encoder, and would tie spans together wrongly."""
    if len(span.trace_id) != 16 or len(span.span_id) != 8:
        raise SpanDecodeError(
            f"span {span.name!r} has ids of {len(span.trace_id)} and {len(span.span_id)} bytes"
            " where OTLP wants 16 and 8"
        )
    links_fit = all(len(link.trace_id) == 16 and len(link.span_id) == 8 for link in span.links)
    if len(span.parent_span_id or b"") not in {0, 8} or not links_fit:
        raise SpanDecodeError(f"span {span.name!r} has a parent or link with ids of wrong lengths")


def in_range(number: int, least: int, end: int) -> int:
    """The number, where OTLP has room for it."""
    if not least <= number < end:
        raise SpanDecodeError(f"the number {number} is out of OTLP's range")
    return number


def _name_of(names: tuple[str, ...], code: int | None) -> str:
    code = int(code or 0)
    return names[code] if 0 <= code < len(names) else names[0]


def _attributes(pairs: Iterable[Message] | None, pick: Pick) -> Attributes:
    return {pair.key: pick(pair.value) for pair in pairs or ()}
