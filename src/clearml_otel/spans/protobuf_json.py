"""Protobuf's own JSON mapping of spans, in the words of OTLP's.

OTLP wants ids in hexadecimal and enumerations as numbers; programs that leave the JSON to
protobuf's libraries write ids in base64 and enumerations by name.
Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding ,
https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

_KINDS: Final = [
    f"SPAN_KIND_{each}"
    for each in ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
]
_STATUSES: Final = [f"STATUS_CODE_{each}" for each in ("UNSET", "OK", "ERROR")]
_IDS: Final[Mapping[str, int]] = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def respell(document: Mapping[str, Any]) -> None:
    """Change what is spelt as protobuf spells it; what is neither way stays as it is.

    Args:
        document: a ``TracesData``, as ``json.loads`` gives it; changed in place.
    """
    for resource_spans in _objects(document, "resourceSpans"):
        for scope_spans in _objects(resource_spans, "scopeSpans"):
            for span in _objects(scope_spans, "spans"):
                _number(span, "kind", _KINDS)
                status = span.get("status")
                if isinstance(status, dict):
                    _number(cast("dict[str, Any]", status), "code", _STATUSES)
                for each in (span, *_objects(span, "links")):
                    _hexadecimal(each)


def _objects(parent: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    children: object = parent.get(name)
    if isinstance(children, list):
        for child in cast("list[object]", children):
            if isinstance(child, dict):
                yield cast("dict[str, Any]", child)


def _number(parent: dict[str, Any], field: str, names: Sequence[str]) -> None:
    value = parent.get(field)
    if isinstance(value, str) and value in names:
        parent[field] = names.index(value)
    elif type(value) is int and not 0 <= value < len(names):
        # as protobuf takes one that a later version has added
        parent[field] = 0


def _hexadecimal(parent: dict[str, Any]) -> None:
    for field, size in _IDS.items():
        value = parent.get(field)
        # in hexadecimal it would be longer
        if isinstance(value, str) and len(value) == (size + 2) // 3 * 4:
            try:
                parent[field] = b64decode(value, validate=True).hex()
            except (binascii.Error, ValueError):
                continue
