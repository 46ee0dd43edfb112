"""Attribute values of other instrumentations: JSON strings, structures, or flattened by index.

Every function here is total: what cannot be read is None, and never an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from clearml_otel.spans import Attributes, AttributeValue

Key: TypeAlias = "str | tuple[str, ...]"
"""An attribute's name, or the name of one that holds JSON and the path into it."""

REDACTED: Final = "__REDACTED__"
"""What OpenInference writes where content is hidden."""
_DEEPEST: Final = 12


def parsed(value: object) -> object:
    """A value with its JSON read, where it is the JSON of an object or an array.

    Other text stays text, also ``"42"`` and ``"null"``: it may be what a model said.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return None if value == REDACTED else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        # cut by a length limit; the text is still worth having
        return value


def decoded(value: object) -> object:
    """A value of a convention that writes everything as JSON, text included."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return parsed(value)
    return None if value == REDACTED else value


def find(attributes: Attributes, keys: Iterable[Key], *, encoded: bool = False) -> object:
    """The value of the first key that has one.

    Args:
        attributes: of a span.
        keys: tried in order.
        encoded: whether plain values are JSON too, so that text stands in quotes.
    """
    for key in keys:
        name, path = (key, ()) if isinstance(key, str) else (key[0], key[1:])
        value: object = attributes.get(name)
        if path or encoded:
            value = decoded(value) if encoded else parsed(value)
        for step in path:
            value = cast("Mapping[str, object]", value).get(step) if is_object(value) else None
        if value not in (None, "", REDACTED):
            return value
    return None


def text_of(value: object) -> str | None:
    """A value as text: text as it is, a structure as JSON."""
    if value is None or value == REDACTED:
        return None
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=repr)
    except (ValueError, RecursionError):
        return None


def integer_of(value: object) -> int | None:
    """A count; some conventions write counts as floats or as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, str)):
        try:
            return int(value)
        except (ValueError, OverflowError):
            return None
    return None


def is_object(value: object) -> bool:
    """Whether a value has fields."""
    return isinstance(value, Mapping)


def fields_of(value: object) -> dict[str, Any]:
    """The fields of a value; none where it has no fields."""
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}


def items_of(value: object) -> list[Any]:
    """The items of a list; none where it is no list."""
    return list(cast("Iterable[Any]", value)) if isinstance(value, (list, tuple)) else []


class _Node(dict[str, Any]):
    """A part of the tree that is being built; what is no such node is somebody's value."""


def unflattened(attributes: Attributes, prefix: str) -> list[Any]:
    """Attributes flattened by index, as the list that they were.

    Args:
        attributes: of a span, such as ``{"llm.input_messages.0.message.role": "user"}``.
        prefix: of the list, without the dot: ``"llm.input_messages"``.
    """
    tree = _Node()
    for path, value in _below(attributes, f"{prefix}."):
        node = tree
        for step in path[:-1]:
            inner: Any = node.setdefault(step, _Node())
            if not isinstance(inner, _Node):
                break
            node = inner
        else:
            node[path[-1]] = value
    return items_of(_lists(tree)) if tree else []


def _below(attributes: Attributes, prefix: str) -> Iterator[tuple[list[str], AttributeValue]]:
    for key, value in attributes.items():
        if key.startswith(prefix):
            path = key[len(prefix) :].split(".")
            if len(path) <= _DEEPEST:
                yield path, value


def _lists(node: object) -> object:
    """Objects whose keys are all numbers become lists, in the order of the numbers."""
    if not isinstance(node, dict):
        return node
    fields = cast("dict[str, object]", node)
    if all(key.isdecimal() for key in fields):
        return [_lists(fields[key]) for key in sorted(fields, key=lambda key: (len(key), key))]
    return {key: _lists(value) for key, value in fields.items()}
