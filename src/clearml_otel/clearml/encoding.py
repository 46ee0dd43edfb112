"""Any Python value as something ClearML, its database and a browser can show. It never raises."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import date, datetime, time
from typing import TypeAlias, cast

Cell: TypeAlias = str | int | float | bool
Json: TypeAlias = "Cell | list[Json] | dict[str, Json] | None"

_Convert: TypeAlias = Callable[[object, tuple[int, ...]], Json]

LARGEST_EXACT_INT = 2**53
"""Beyond it a browser's numbers are no longer exact."""

_MISSING_TYPES = frozenset({"NAType", "NaTType"})
"""pandas' own None; compared by name, so that pandas isn't imported."""

_MAX_DEPTH = 50


def clean_text(text: str) -> str:
    """The text with lone surrogates replaced, so that it can be written as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def cell(value: object) -> Cell:
    """One table cell: text, a finite number or a truth value.

    None and pandas' missing values become ``""``, which a table shows as a blank, where ``null``
    would be shown as the word. NaN and infinities become text, for JSON has neither.
    """
    kind = type(value)
    # most cells by far are one of these; a table of 50,000 rows has two million of them
    if value is None:
        return ""
    if kind is str:
        return clean_text(cast("str", value))
    if kind is bool:
        return cast("bool", value)
    if kind is int:
        return _integer(cast("int", value))
    if kind is float:
        return _real(cast("float", value))
    if kind.__name__ in _MISSING_TYPES:
        return ""
    number = _number(value)
    if number is not None:
        return number
    return _text(value)


def figure_value(value: object) -> Json:
    """A value inside a plotly figure: structure is kept, and what is no finite number is a gap."""
    try:
        return _figure_value(value, ())
    except Exception:  # noqa: BLE001 - a class of the application's may do anything
        return _placeholder(value)


def escaped_length(json_text: str) -> int:
    """How many characters an ASCII JSON text takes as a string inside another JSON text.

    This is what ClearML's limit of a request body counts.
    """
    return len(json_text) + json_text.count('"') + json_text.count("\\")


def _number(value: object) -> Cell | None:
    """The value as a number or truth value of JSON, or None if it is neither."""
    try:
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            return _integer(int.__index__(value))
        if isinstance(value, float):
            return _real(float.__float__(value))
        if isinstance(value, numbers.Integral):
            return _integer(int(value))
        if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
            return _real(float(value))
    except Exception:  # noqa: BLE001 - a number class of the application's may do anything
        return _placeholder(value)
    return None


def _integer(value: int) -> Cell:
    if -LARGEST_EXACT_INT <= value <= LARGEST_EXACT_INT:
        return value
    try:
        return str(value)
    except ValueError:  # more digits than sys.set_int_max_str_digits allows
        return hex(value)


def _real(value: float) -> Cell:
    return value if math.isfinite(value) else repr(value)


def _text(value: object) -> str:
    try:
        if isinstance(value, str):
            return clean_text(str.__str__(value))
        if isinstance(value, (bytes, bytearray)):
            return clean_text(value.decode("utf-8", "backslashreplace"))
        if isinstance(value, (datetime, date, time)):
            return value.isoformat()
        if _is_container(value):
            return json.dumps(_plain(value, ()), ensure_ascii=False, allow_nan=False)
        return _own_text(value)
    except Exception:  # noqa: BLE001 - a class of the application's may do anything
        return _placeholder(value)


def _own_text(value: object) -> str:
    kind = type(value)
    if kind.__repr__ is object.__repr__ and kind.__str__ is object.__str__:
        # the default text ends in a memory address, which would differ from run to run
        return f"<{kind.__module__}.{kind.__qualname__}>"
    return clean_text(str.__str__(str(value)))


def _placeholder(value: object) -> str:
    return f"<unprintable {type(value).__qualname__}>"


def _is_container(value: object) -> bool:
    return isinstance(value, (Mapping, list, tuple, Set))


def _plain(value: object, parents: tuple[int, ...]) -> Json:
    """A container as plain JSON data; a cycle or a very deep part is replaced by a placeholder."""
    if not _is_container(value):
        return None if value is None else cell(value)
    if id(value) in parents:
        return f"<recursive {type(value).__qualname__}>"
    if len(parents) >= _MAX_DEPTH:
        return f"<deeply nested {type(value).__qualname__}>"
    return _children(value, parents, _plain)


def _children(value: object, parents: tuple[int, ...], convert: _Convert) -> Json:
    """The parts of a container, each converted; a set in the order of its parts' JSON."""
    inside = (*parents, id(value))
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {str(cell(key)): convert(item, inside) for key, item in mapping.items()}
    items = [convert(item, inside) for item in cast("Iterable[object]", value)]
    if isinstance(value, Set):
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return items


def _figure_value(value: object, parents: tuple[int, ...]) -> Json:
    tolist: Callable[[], object] | None = getattr(value, "tolist", None)
    if callable(tolist):  # a numpy array or pandas series, which plotly's figures may hold
        value = tolist()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if not _is_container(value):
        return cell(value)
    if id(value) in parents or len(parents) >= _MAX_DEPTH:
        return None
    return _children(value, parents, _figure_value)
