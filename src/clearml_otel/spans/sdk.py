"""From the SDK's ``ReadableSpan`` to :class:`SpanRecord`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.trace import SpanContext, format_span_id, format_trace_id

from clearml_otel.spans.record import Attributes, AttributeValue, SpanEvent, SpanLink, SpanRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link

# asked first: one check in a set is cheaper than one in a tuple of classes
_SCALARS: Final = frozenset({str, int, float, bool, bytes})


def from_readable_span(span: ReadableSpan) -> SpanRecord:
    """Read a span of the SDK, ended or still open.

    Args:
        span: what a span processor or exporter is given.

    Returns:
        A record that shares nothing mutable with the span.
    """
    context = span.get_span_context() or SpanContext(0, 0, is_remote=False)
    parent = span.parent
    scope = span.instrumentation_scope
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=format_span_id(parent.span_id) if parent else None,
        parent_is_remote=parent.is_remote if parent else None,
        name=span.name,
        kind=span.kind.name.lower(),
        start_time_ns=span.start_time or 0,
        end_time_ns=span.end_time,
        status=span.status.status_code.name.lower(),
        status_description=span.status.description or "",
        attributes=_attributes(span.attributes),
        events=tuple(map(_event, _snapshot(span.events))),
        links=tuple(map(_link, _snapshot(span.links))),
        resource=_attributes(span.resource.attributes),
        scope_name=scope.name if scope else "",
        scope_version=(scope.version or "") if scope else "",
        trace_state=context.trace_state.to_header(),
        dropped_attributes=span.dropped_attributes,
        dropped_events=span.dropped_events,
        dropped_links=span.dropped_links,
    )


def _snapshot(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(values)


def _event(event: Event) -> SpanEvent:
    return SpanEvent(
        event.name, event.timestamp, _attributes(event.attributes), event.dropped_attributes
    )


def _link(link: Link) -> SpanLink:
    return SpanLink(
        format_trace_id(link.context.trace_id),
        format_span_id(link.context.span_id),
        _attributes(link.attributes),
        link.dropped_attributes,
    )


def _attributes(attributes: Mapping[str, Any] | None) -> Attributes:
    return {key: _value(value) for key, value in attributes.items()} if attributes else {}


def _value(value: Any) -> AttributeValue:
    if value is None or type(value) in _SCALARS or isinstance(value, (str, int, float, bytes)):
        return value
    if isinstance(value, Mapping):
        items = cast("Mapping[object, Any]", value)
        return {str(key): _value(item) for key, item in items.items()}
    if isinstance(value, Iterable):
        return tuple(_value(item) for item in cast("Iterable[Any]", value))
    return str(value)
