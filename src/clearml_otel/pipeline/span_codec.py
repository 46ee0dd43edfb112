"""Batches of finished spans as bytes for the spool, and back.

Compact JSON of our own: attribute names stand once for all spans that have the same ones, as do
resources and scopes. It is a third of the CPU time of OTLP's JSON or protobuf encoder (the
benchmark ``pipeline`` prints it) and needs neither package; the archive that people read stays
OTLP. Level 1 of zlib makes it five times smaller.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from clearml_otel.spans import (
    Attributes,
    AttributeValue,
    SpanDecodeError,
    SpanEvent,
    SpanLink,
    SpanRecord,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

AnySpan: TypeAlias = "ReadableSpan | SpanRecord"

VERSION: Final = 1
_BYTES: Final = "\0bytes"
_FIELDS: Final = 20
_LARGEST: Final = 1_000_000_000
_LATEST: Final = (1 << 64) - 1


def encode(spans: Sequence[AnySpan]) -> tuple[bytes, list[str]]:
    """One batch.

    Args:
        spans: of the SDK, ended, or records.

    Returns:
        The bytes, and one line for each span that cannot be written down and is not in them.
    """
    try:
        return _encoded(spans), []
    except Exception as error:  # noqa: BLE001 - a class of the application's may do anything
        if len(spans) == 1:
            why = f"span {spans[0].name!r}: {type(error).__name__}: {error}"
            return _encoded(()), [why[:300]]
    good: list[AnySpan] = []
    lost: list[str] = []
    for span in spans:
        faults = encode([span])[1]
        lost += faults
        good += [] if faults else [span]
    return _encoded(good), lost


def decode(body: bytes) -> list[SpanRecord]:
    """The records of a batch.

    Raises:
        SpanDecodeError: the bytes are no batch of this version.
    """
    try:
        inflate = zlib.decompressobj()
        text = inflate.decompress(body, _LARGEST)
        if not inflate.eof:
            raise SpanDecodeError("a batch that is cut off or far too large")
        batch: Any = json.loads(text, object_hook=_from_object)
        if batch["version"] != VERSION:
            raise SpanDecodeError(f"a batch of version {batch['version']}, not {VERSION}")
        shared: Any = batch["resources"]
        resources: list[Attributes] = [_attributes(names, values) for names, values in shared]
        rows: list[list[Any]] = batch["spans"]
        return [_record(row, batch, resources) for row in rows]
    except SpanDecodeError:
        raise
    except (ValueError, TypeError, LookupError, zlib.error, RecursionError, MemoryError) as error:
        raise SpanDecodeError(f"not a batch of spans: {type(error).__name__}: {error}") from error


def decoded(
    bodies: Iterable[tuple[int, bytes]], on_damage: Callable[[int, SpanDecodeError], None]
) -> Iterator[SpanRecord]:
    """The records of batches.

    Args:
        bodies: numbers of spans, and batches.
        on_damage: called with the number of spans of each batch that cannot be read.
    """
    for spans, body in bodies:
        records = _decoded(spans, body, on_damage)
        yield from records


def _decoded(
    spans: int, body: bytes, on_damage: Callable[[int, SpanDecodeError], None]
) -> list[SpanRecord]:
    try:
        return decode(body)
    except SpanDecodeError as error:
        on_damage(spans, error)
        return []


# by identity: an enumeration's members hash themselves in Python code
_KINDS: Final = {id(kind): kind.name.lower() for kind in SpanKind}
_STATUSES: Final = {id(code): code.name.lower() for code in StatusCode}


class _Shared:
    """Values that many spans of a batch have in common, each written once."""

    def __init__(self) -> None:
        self.shapes: dict[tuple[str, ...], int] = {}
        self.scopes: dict[tuple[str, str], int] = {}
        self.resources: list[list[Any]] = []
        self._resource_index: dict[int, int] = {}

    def shape(self, attributes: Mapping[str, Any]) -> int:
        return self.shapes.setdefault(tuple(attributes), len(self.shapes))

    def scope(self, name: str, version: str) -> int:
        return self.scopes.setdefault((name, version), len(self.scopes))

    def resource(self, owner: object, attributes: Mapping[str, Any]) -> int:
        """The index of a resource; ``owner`` is what all spans of a provider share."""
        index = self._resource_index.get(id(owner))
        if index is None:
            index = self._resource_index[id(owner)] = len(self.resources)
            plain = dict(attributes)
            self.resources.append([list(plain), list(plain.values())])
        return index


def _encoded(spans: Sequence[AnySpan]) -> bytes:
    shared = _Shared()
    rows = [
        _row_of_record(span, shared) if isinstance(span, SpanRecord) else _row(span, shared)
        for span in spans
    ]
    batch = {
        "version": VERSION,
        "shapes": list(shared.shapes),
        "scopes": list(shared.scopes),
        "resources": shared.resources,
        "spans": rows,
    }
    return zlib.compress(_encoder.encode(batch).encode("ascii"), 1)


def _row(span: ReadableSpan, shared: _Shared) -> list[Any]:
    context = span.get_span_context()
    if context is None:
        raise ValueError("it has no ids")
    parent, scope, status, resource = (
        span.parent,
        span.instrumentation_scope,
        span.status,
        span.resource,
    )
    attributes = _plain(span.attributes)
    return [
        context.trace_id,
        context.span_id,
        parent.span_id if parent else None,
        parent.is_remote if parent else None,
        _text(span.name),
        _KINDS.get(id(span.kind), "internal"),
        _time(span.start_time or 0),
        None if span.end_time is None else _time(span.end_time),
        _STATUSES[id(status.status_code)],
        status.description or "",
        shared.shape(attributes),
        list(attributes.values()),
        [
            [
                _text(each.name),
                _time(each.timestamp),
                _plain(each.attributes),
                each.dropped_attributes,
            ]
            for each in span.events
        ],
        [
            [
                format_trace_id(each.context.trace_id),
                format_span_id(each.context.span_id),
                _plain(each.attributes),
                each.dropped_attributes,
            ]
            for each in span.links
        ],
        shared.resource(resource, resource.attributes),
        shared.scope(scope.name, scope.version or "") if scope else shared.scope("", ""),
        context.trace_state.to_header() if context.trace_state else "",
        span.dropped_attributes,
        span.dropped_events,
        span.dropped_links,
    ]


def _row_of_record(span: SpanRecord, shared: _Shared) -> list[Any]:
    return [
        int(span.trace_id, 16),
        int(span.span_id, 16),
        int(span.parent_span_id, 16) if span.parent_span_id else None,
        span.parent_is_remote,
        span.name,
        span.kind,
        span.start_time_ns,
        span.end_time_ns,
        span.status,
        span.status_description,
        shared.shape(span.attributes),
        list(span.attributes.values()),
        [[e.name, e.time_ns, e.attributes, e.dropped_attributes] for e in span.events],
        [[n.trace_id, n.span_id, n.attributes, n.dropped_attributes] for n in span.links],
        shared.resource(span.resource, span.resource),
        shared.scope(span.scope_name, span.scope_version),
        span.trace_state,
        span.dropped_attributes,
        span.dropped_events,
        span.dropped_links,
    ]


def _text(name: object) -> str:
    """A name; the SDK takes whatever it is given."""
    return name if type(name) is str else str(name)


def _time(nanoseconds: float) -> int:
    """A time, which the SDK does not check either: whole, and one that OTLP has room for."""
    if type(nanoseconds) is int and 0 <= nanoseconds <= _LATEST:
        return nanoseconds
    return max(0, min(int(nanoseconds), _LATEST))


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """A plain dictionary; the SDK's own mapping is copied by itself, which is much cheaper."""
    if attributes is None:
        return {}
    copy = getattr(attributes, "copy", None)
    copied = copy() if copy is not None else attributes
    return cast("dict[str, Any]", copied) if type(copied) is dict else dict(attributes)


def _to_json(value: object) -> object:
    """What JSON has no form for: bytes, the SDK's mappings, and values that should not be there."""
    if isinstance(value, (bytes, bytearray)):
        return {_BYTES: b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return {str(key): item for key, item in cast("Mapping[object, Any]", value).items()}
    if isinstance(value, Iterable):
        return list(cast("Iterable[Any]", value))
    return str(value)


_encoder: Final = json.JSONEncoder(separators=(",", ":"), default=_to_json)


def _from_object(pairs: dict[str, Any]) -> Any:
    text = pairs.get(_BYTES)
    return b64decode(text) if isinstance(text, str) and len(pairs) == 1 else pairs


def _record(row: list[Any], batch: dict[str, Any], resources: list[Attributes]) -> SpanRecord:
    if len(row) != _FIELDS:
        raise SpanDecodeError(f"a span of {len(row)} fields, not {_FIELDS}")
    scope_name, scope_version = batch["scopes"][row[15]]
    return SpanRecord(
        trace_id=format_trace_id(row[0]),
        span_id=format_span_id(row[1]),
        parent_span_id=None if row[2] is None else format_span_id(row[2]),
        parent_is_remote=row[3],
        name=row[4],
        kind=row[5],
        start_time_ns=row[6],
        end_time_ns=row[7],
        status=row[8],
        status_description=row[9],
        attributes=_attributes(batch["shapes"][row[10]], row[11]),
        events=tuple(
            SpanEvent(name, time_ns, _nested(attributes), dropped)
            for name, time_ns, attributes, dropped in row[12]
        ),
        links=tuple(
            SpanLink(trace_id, span_id, _nested(attributes), dropped)
            for trace_id, span_id, attributes, dropped in row[13]
        ),
        resource=resources[int(row[14])],
        scope_name=scope_name,
        scope_version=scope_version,
        trace_state=row[16],
        dropped_attributes=row[17],
        dropped_events=row[18],
        dropped_links=row[19],
    )


def _attributes(names: list[str], values: list[Any]) -> Attributes:
    return {
        name: _value(value) if type(value) in _CONTAINERS else value
        for name, value in zip(names, values, strict=True)
    }


def _nested(attributes: dict[str, Any]) -> Attributes:
    return _attributes(list(attributes), list(attributes.values()))


def _value(value: Any) -> AttributeValue:
    if isinstance(value, list):
        return tuple(_value(item) for item in cast("list[Any]", value))
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: _value(item) for key, item in items.items()}
    return value


_CONTAINERS: Final = frozenset({list, dict})
