"""OTLP JSON lines, as OpenTelemetry's file exporters write them, to records and back.

Format: https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ ; the codec is
OpenTelemetry's own, ``opentelemetry-proto-json``.
"""

from __future__ import annotations

import gzip
import json
import json.encoder
import zlib
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby
from math import isfinite, isnan
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias, cast

from opentelemetry.proto_json.common.v1.common import AnyValue
from opentelemetry.proto_json.trace.v1.trace import TracesData

from clearml_otel.spans.otlp import in_range, records_of
from clearml_otel.spans.protobuf_json import respell
from clearml_otel.spans.record import Attributes, AttributeValue, SpanDecodeError, SpanRecord

Json: TypeAlias = dict[str, Any]

_KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATUSES: Final = {"unset": 0, "ok": 1, "error": 2}
_INT64: Final = 1 << 63
_GZIP: Final = b"\x1f\x8b"
_OTHER_SIGNALS: Final = frozenset({"resourceLogs", "resourceMetrics", "resourceProfiles"})
_text: Final = json.encoder.encode_basestring_ascii
_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def read_otlp_json_lines(
    path: Path, on_error: Callable[[SpanDecodeError], None] | None = None
) -> Iterator[SpanRecord]:
    """Every span of a file of OTLP JSON lines.

    Args:
        path: a file with one ``{"resourceSpans": [...]}`` object a line, which may be packed with
            gzip; blank lines, and lines of other signals, are passed over. One document over many
            lines is read as well.
        on_error: called with the fault of each line that is no trace data, whereupon reading
            goes on; without it the first fault is raised.

    Yields:
        The records in file order.

    Raises:
        SpanDecodeError: one line with the file, the line's number and what is wrong; also for a
            file that cannot be read, whatever ``on_error`` is.
    """
    try:
        with _opened(path) as file:
            for number, line in enumerate(_lines(file), 1):
                if not line.strip():
                    continue
                try:
                    yield from _spans_of(line)
                except SpanDecodeError as error:
                    fault = SpanDecodeError(f"{path}, line {number}: {error}")
                    if on_error is None:
                        raise fault from error
                    on_error(fault)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise SpanDecodeError(f"{path}: cannot be read: {why}") from error


@contextmanager
def _opened(path: Path) -> Generator[BinaryIO, None, None]:
    """The file, unpacked; opened once, as it may be a pipe."""
    with path.open("rb") as file:
        if file.peek(2)[:2] == _GZIP:
            with gzip.open(file) as unpacked:
                yield cast("BinaryIO", unpacked)
        else:
            yield file


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines; a document that somebody has indented is one."""
    first = file.readline()
    if first.strip() != b"{":
        yield first
        yield from file
        return
    whole = first + file.read()
    try:
        json.loads(whole)
    except (ValueError, RecursionError):
        yield from whole.splitlines()
    else:
        yield whole


def _spans_of(body: bytes) -> list[SpanRecord]:
    """The spans of a line; none where it has another signal, as a collector may mix them."""
    fields = _document(body)
    return [] if fields.keys() & _OTHER_SIGNALS else _records(fields)


def from_otlp_json(body: bytes | str) -> list[SpanRecord]:
    """Decode one OTLP JSON document.

    Args:
        body: UTF-8 JSON of a ``TracesData`` or ``ExportTraceServiceRequest``.

    Raises:
        SpanDecodeError: where it is neither.
    """
    return _records(_document(body))


def _document(body: bytes | str) -> Json:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SpanDecodeError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise SpanDecodeError("not an OTLP JSON object with resourceSpans")
    return cast("Json", document)


def _records(fields: Json) -> list[SpanRecord]:
    if fields and "resourceSpans" not in fields:
        found = ascii(", ".join(sorted(fields)))[1:-1][:80]
        raise SpanDecodeError(f"no OTLP trace data: it has {found} but no resourceSpans")
    try:
        return _as_specified(fields)
    except SpanDecodeError:
        respell(fields)
        return _as_specified(fields)


def _as_specified(fields: Json) -> list[SpanRecord]:
    try:
        return list(records_of(TracesData.from_dict(fields), _any_value))
    except SpanDecodeError:
        raise
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise SpanDecodeError(f"not OTLP trace data: {error}") from error


def to_otlp_json_lines(records: Iterable[SpanRecord]) -> Iterator[str]:
    """The records as OTLP JSON, one line (without its newline) a resource.

    Attributes, of which there are many, are written straight as text; the rest by way of
    dictionaries.

    Args:
        records: in any order; spans of one resource and scope are written together.

    Yields:
        ASCII text.
    """
    known = list(records)
    # the spans of a batch share one resource
    resources = {id(record.resource): record.resource for record in known}
    keys = {place: repr(sorted(resource.items())) for place, resource in resources.items()}

    def resource_key(record: SpanRecord) -> str:
        return keys[id(record.resource)]

    def scope_key(record: SpanRecord) -> tuple[str, str]:
        return record.scope_name, record.scope_version

    ordered = sorted(known, key=lambda record: (resource_key(record), scope_key(record)))
    for _, same_resource in groupby(ordered, resource_key):
        spans = list(same_resource)
        resource = _json({"attributes": _key_values(spans[0].resource)})
        scopes = [
            f'{{"scope":{_json({"name": name, "version": version})},'
            f'"spans":[{",".join(map(_span, same_scope))}]}}'
            for (name, version), same_scope in groupby(spans, scope_key)
        ]
        yield f'{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{",".join(scopes)}]}}]}}'


def _span(record: SpanRecord) -> str:
    flags = 0x100 | 0x200 * record.parent_is_remote if record.parent_is_remote is not None else 0
    fields = {
        "traceId": record.trace_id and _text(record.trace_id),
        "spanId": record.span_id and _text(record.span_id),
        "traceState": record.trace_state and _text(record.trace_state),
        "parentSpanId": record.parent_span_id and _text(record.parent_span_id),
        "flags": flags,
        "name": record.name and _text(record.name),
        "kind": _KINDS.get(record.kind, 1),
        "startTimeUnixNano": f'"{record.start_time_ns}"',
        "endTimeUnixNano": f'"{record.end_time_ns or 0}"',
    }
    head = ",".join([f'"{name}":{value}' for name, value in fields.items() if value])
    pairs = ",".join([_key(key) + _any(value) for key, value in record.attributes.items()])
    told = f'{head},"attributes":[{pairs}]' if pairs else head
    return f"{{{told},{_rest(record)}}}"


def _rest(record: SpanRecord) -> str:
    """What a span has after its attributes; most have a status only."""
    why = record.status_description
    status = _status(record.status, why) if why else _plain_status(record.status)
    lost = record.dropped_attributes or record.dropped_events or record.dropped_links
    if not (lost or record.events or record.links):
        return status
    rest: Json = {
        "droppedAttributesCount": record.dropped_attributes,
        "events": [
            {
                "timeUnixNano": str(event.time_ns),
                "name": event.name,
                "attributes": _key_values(event.attributes),
                "droppedAttributesCount": event.dropped_attributes,
            }
            for event in record.events
        ],
        "droppedEventsCount": record.dropped_events,
        "links": [
            {
                "traceId": link.trace_id,
                "spanId": link.span_id,
                "attributes": _key_values(link.attributes),
                "droppedAttributesCount": link.dropped_attributes,
            }
            for link in record.links
        ],
        "droppedLinksCount": record.dropped_links,
    }
    told = {name: value for name, value in rest.items() if value}
    return f"{_json(told)[1:-1]},{status}"


@lru_cache(maxsize=8)
def _plain_status(status: str) -> str:
    return _status(status, "")


def _status(status: str, description: str) -> str:
    told = {"code": _STATUSES.get(status, 0), "message": description}
    return f'"status":{_json(told)}'


@lru_cache(maxsize=1024)
def _key(key: str) -> str:
    """The start of an attribute; many spans have the same."""
    return f'{{"key":{_text(key)},"value":'


def _any(value: AttributeValue) -> str:
    """The rest of an attribute: its value as JSON, and the brace of the whole."""
    if type(value) is str:
        return f'{{"stringValue":{_text(value)}}}}}'
    if type(value) is int and -_INT64 <= value < _INT64:
        return f'{{"intValue":"{value}"}}}}'
    if type(value) is float and isfinite(value):
        return f'{{"doubleValue":{value!r}}}}}'
    return f"{_json(_to_any(value))}}}"


def _key_values(attributes: Attributes) -> list[Json]:
    return [{"key": key, "value": _to_any(value)} for key, value in attributes.items()]


def _to_any(value: AttributeValue) -> Json:
    if isinstance(value, str):
        return {"stringValue": value}
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        # OTLP has no integer beyond 64 bits
        key = "intValue" if -_INT64 <= value < _INT64 else "stringValue"
        return {key: str(value)}
    if isinstance(value, float):
        # JSON has no NaN and no infinities; OTLP writes their names
        special = "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"doubleValue": value if isfinite(value) else special}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _key_values(value)}}
    if isinstance(value, tuple):
        return {"arrayValue": {"values": [_to_any(item) for item in value]}}
    return {"bytesValue": b64encode(value).decode("ascii")}


def _any_value(message: AnyValue | None) -> AttributeValue:
    if message is None:
        return None
    if message.string_value is not None:
        return message.string_value
    if message.bool_value is not None:
        return message.bool_value
    if message.int_value is not None:
        return in_range(message.int_value, -_INT64, _INT64)
    if message.double_value is not None:
        return float(message.double_value)
    if message.array_value is not None:
        return tuple(_any_value(item) for item in message.array_value.values)
    if message.kvlist_value is not None:
        return {pair.key or "": _any_value(pair.value) for pair in message.kvlist_value.values}
    return message.bytes_value
