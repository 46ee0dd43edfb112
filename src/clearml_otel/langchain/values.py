"""Any Python value as bounded text or valid JSON, without secrets.

Chain inputs and outputs can be anything: cyclic, enormous, with a ``__str__`` that raises, with
credentials inside. What comes out is always plain text or valid JSON; what is cut says how long
it was.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

MAX_TEXT: Final = 262_144
"""Characters of one text; longer ones are cut."""
MAX_ITEMS: Final = 2_000
"""Elements of one container; the rest is counted."""
MAX_DEPTH: Final = 16
HIDDEN: Final = "**********"

_SECRET_KEY: Final = re.compile(
    r"(api_?key|secret|passw(or)?d|authorization|access_?token|auth_?token|bearer|credential"
    r"|private_?key|session_?token|^token$|_token$)",
    re.IGNORECASE,
)
_NOT_SECRET: Final = frozenset({"max_token", "stop_token", "eos_token", "pad_token", "bos_token"})
_URL_USERINFO: Final = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_LARGEST_INT: Final = 1 << 63


def is_secret_key(key: str) -> bool:
    """Whether a field of this name holds something that may leave in no span, log or file."""
    return bool(_SECRET_KEY.search(key)) and key.lower() not in _NOT_SECRET


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """Text that every encoder takes: no lone surrogates, no URL credentials, bounded length."""
    if len(text) > limit:
        text = f"{text[:limit]}… [cut from {len(text)} characters]"
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return _URL_USERINFO.sub(HIDDEN, text) if "://" in text else text


def to_json(value: object) -> str:
    """Any value as compact, valid JSON."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def to_text(value: object) -> str:
    """Text as it is, anything else as JSON."""
    return clean_text(value) if isinstance(value, str) else to_json(value)


def plain(value: object, _depth: int = 0, _parents: tuple[int, ...] = ()) -> Json:
    """Any value as what JSON knows, bounded in depth and size, secrets hidden."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int):
        return int(value) if -_LARGEST_INT <= value < _LARGEST_INT else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    if _depth >= MAX_DEPTH or id(value) in _parents:
        return f"<{type(value).__name__}>"
    inner = _depth + 1, (*_parents, id(value))
    try:
        fields = _fields(value)
        if fields is not None:
            return _object(fields, *inner)
        elements = _elements(value)
        return clean_text(str(value)) if elements is None else _array(elements, *inner)
    except Exception as error:  # noqa: BLE001 - the value's own code may raise anything
        return f"<{type(value).__name__}: {type(error).__name__} while reading it>"


def _object(fields: Mapping[Any, Any], depth: int, parents: tuple[int, ...]) -> Json:
    result: dict[str, Json] = {}
    for index, (key, item) in enumerate(fields.items()):
        if index == MAX_ITEMS:
            result["…"] = f"{len(fields) - MAX_ITEMS} more"
            break
        name = clean_text(str(key), 1_000)
        hide = is_secret_key(name) and isinstance(item, (str, bytes))
        result[name] = HIDDEN if hide else plain(item, depth, parents)
    return result


def _array(elements: list[object], depth: int, parents: tuple[int, ...]) -> Json:
    result = [plain(item, depth, parents) for item in elements[:MAX_ITEMS]]
    if len(elements) > MAX_ITEMS:
        result.append(f"… {len(elements) - MAX_ITEMS} more")
    return result


def _elements(value: object) -> list[object] | None:
    """The members of sequences and sets; iterators are not consumed."""
    if isinstance(value, (list, tuple)):
        return list(cast("Iterable[object]", value))
    if isinstance(value, (set, frozenset)):
        # sets of strings come in another order in every process
        return sorted(cast("Iterable[object]", value), key=repr)
    return None


def _fields(value: object) -> Mapping[Any, Any] | None:
    """The named fields of mappings, messages, models and dataclasses."""
    if isinstance(value, Mapping):
        return cast("Mapping[Any, Any]", value)
    if isinstance(value, type):
        return None
    if hasattr(value, "get_secret_value"):
        return None  # pydantic's secrets print as asterisks
    if dataclasses.is_dataclass(value):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    # the class is asked, not the instance: a mock or proxy would answer anything
    names = getattr(type(value), "model_fields", None)
    if isinstance(names, dict):
        return {
            str(name): getattr(value, str(name), None)
            for name in cast("dict[Any, Any]", names)
            if getattr(value, str(name), None) not in (None, {}, [])
        }
    return None
