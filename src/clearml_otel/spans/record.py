"""The neutral finished span: what every decoder makes and all later stages read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Scalar: TypeAlias = str | bool | int | float | bytes | None
AttributeValue: TypeAlias = "Scalar | tuple[AttributeValue, ...] | Mapping[str, AttributeValue]"
Attributes: TypeAlias = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """A point in a span's life; ``time_ns`` counts nanoseconds since the epoch."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    dropped_attributes: int = 0


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A reference to another span, by hexadecimal ids."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    dropped_attributes: int = 0


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One span, whoever made it and however it arrived.

    Args:
        trace_id: 32 lower-case hexadecimal digits.
        span_id: 16 lower-case hexadecimal digits.
        parent_span_id: likewise, or None for a root.
        parent_is_remote: whether the parent is in another process; None where not said.
        name: the span's name.
        kind: ``internal``, ``server``, ``client``, ``producer`` or ``consumer``.
        start_time_ns: nanoseconds since the epoch.
        end_time_ns: likewise; None while the span is open.
        status: ``unset``, ``ok`` or ``error``.
        status_description: the text beside an error status.
        attributes: plain values; sequences as tuples.
        events: in the order in which they were added.
        links: in the order in which they were added.
        resource: the attributes of the resource.
        scope_name: the instrumentation scope's name.
        scope_version: the instrumentation scope's version.
        trace_state: the W3C trace state, as a header value.
        dropped_attributes: how many attributes the span limits cost.
        dropped_events: how many events the span limits cost.
        dropped_links: how many links the span limits cost.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    start_time_ns: int
    end_time_ns: int | None
    parent_is_remote: bool | None = None
    kind: str = "internal"
    status: str = "unset"
    status_description: str = ""
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    resource: Attributes = field(default_factory=dict[str, AttributeValue])
    scope_name: str = ""
    scope_version: str = ""
    trace_state: str = ""
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0


class SpanDecodeError(ValueError):
    """Bytes or text that are no OTLP trace data; the message is one line."""
