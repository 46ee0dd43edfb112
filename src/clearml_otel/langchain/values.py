"""Any Python value as bounded text or valid JSON, without secrets.

Chain inputs and outputs can be anything: cyclic, enormous, with a ``__str__`` that raises, with
credentials inside. What comes out is always plain text or valid JSON; what is cut says how long
it was.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias, cast

from clearml_otel.langchain.inline_data import SHORTEST_BASE64, without_base64
from clearml_otel.secret_texts import HIDDEN, is_secret_key, names_secrets, without_secrets

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

MAX_TEXT: Final = 262_144
"""Characters of one text; longer ones are cut."""
MAX_TOTAL: Final = 4 * MAX_TEXT
"""Characters of one value with everything in it, about."""
MAX_ITEMS: Final = 2_000
"""Elements of one container; the rest is counted."""
MAX_DEPTH: Final = 16
CUT_MARK: Final = "… [cut from "
"""What stands behind a text that was cut, before its length."""

# made once, as json.dumps makes one a call; nothing here is circular
_compact: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":")
).encode
_ADDRESS: Final = re.compile(" at 0x[0-9a-fA-F]{4,}")  # a default repr's, new in every process
# a text as JSON has it, not escaped to ASCII
_quoted: Final = encode_basestring
_FEW_FIELDS: Final = 8
_LONGEST_NAME: Final = 100
_WORDS: Final = {None: "null", True: "true", False: "false"}
_LARGEST_INT: Final = 1 << 63
_NODE: Final = 8  # what an element costs of the total, besides its text


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """Text that every encoder takes: no lone surrogates, no URL credentials, bounded length.

    Files in it, in base64, are told by their size.
    """
    length = len(text)
    # each look costs next to nothing, and most texts need no more; a data URL has a colon
    if length < SHORTEST_BASE64 and length <= limit and text.isascii():
        if ":" not in text and "=" not in text and "sk-" not in text and "earer " not in text:
            return text
        if "://" not in text and ";base64," not in text and not names_secrets(text.lower()):
            return text
    return _cleaned(text, limit)


def _cleaned(text: str, limit: int) -> str:
    if len(text) >= SHORTEST_BASE64 or ";base64," in text:
        text = without_base64(text)
    length = len(text)
    if length > 2 * limit:
        text = text[: 2 * limit]
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    # before the cut, which may take away the sign that ends the credentials
    if ":" in text or "=" in text or "sk-" in text or "earer " in text:
        text = without_secrets(text)
    return text if length <= limit else f"{text[:limit]}{CUT_MARK}{length} characters]"


def safe_str(value: object) -> str:
    """``str(value)``, or the type's name where it raises."""
    try:
        return clean_text(str(value))
    except Exception as error:  # noqa: BLE001 - the value's own code may raise anything
        return f"<{type(value).__name__}: {type(error).__name__} while reading it>"


def to_json(value: object) -> str:
    """Any value as compact, valid JSON."""
    if type(value) is dict:
        fields = cast("dict[Any, Any]", value)
        flat = _flat_json(fields)
        return _compact(plain(fields)) if flat is None else flat
    return _compact(plain(value))


def _flat_json(fields: dict[Any, Any]) -> str | None:
    """The JSON of a few small values by name, as most tools' arguments are; else None."""
    if len(fields) > _FEW_FIELDS:
        return None
    told: list[str] = []
    for name, value in fields.items():
        begin = _field_json(name) if type(name) is str and len(name) <= _LONGEST_NAME else None
        if begin is None:
            return None
        if type(value) is str:
            told.append(begin + _quoted(clean_text(value)))
        elif value is None or value is True or value is False:
            told.append(begin + _WORDS[value])
        elif type(value) is int and -_LARGEST_INT <= value < _LARGEST_INT:
            told.append(begin + str(value))
        else:
            return None
    text = f"{{{','.join(told)}}}"
    return text if len(text) <= MAX_TOTAL else None


@functools.lru_cache(1_024)
def _field_json(name: str) -> str | None:
    """How a field of that name begins in JSON; None where it holds a secret."""
    cleaned = clean_text(name)
    return None if is_secret_key(cleaned) else f"{_quoted(cleaned)}:"


def plain_json(value: Json) -> str:
    """What is plain already as JSON; walked again only where it is too long."""
    text = _compact(value)
    return text if len(text) <= MAX_TOTAL else to_json(value)


def to_text(value: object) -> str:
    """Text as it is, what is told by a text (a path, a UUID) as that, anything else as JSON."""
    if type(value) is str:
        return clean_text(value)
    if type(value) is dict:
        return to_json(cast("object", value))
    told = plain(value)
    return told if isinstance(told, str) else _compact(told)


def plain(value: object, total: int = MAX_TOTAL, *, hide: bool = True) -> Json:
    """Any value as what JSON knows, bounded in depth and size, secrets hidden.

    Args:
        value: the value.
        total: characters of it with everything in it, about.
        hide: False where no field's name tells of a secret, as in a provider's own answer.
    """
    return _Encoder(total, hide).encode(value, 0, ())


class _Encoder:
    """Encodes one value; counts what it spends, so that shared parts do not multiply."""

    def __init__(self, total: int, hide: bool) -> None:
        self._left = total
        self._hide = hide

    def encode(self, value: object, depth: int, parents: tuple[int, ...]) -> Json:
        self._left -= _NODE
        kind = type(value)
        if kind is str:
            return self._text(cast("str", value))
        try:
            if kind is dict and depth < MAX_DEPTH and id(value) not in parents:
                fields = cast("dict[Any, Any]", value)
                return self._object(fields, depth + 1, (*parents, id(value)))
            return self._encode(value, depth, parents)
        except Exception as error:  # noqa: BLE001 - the value's own code may raise anything
            return f"<{type(value).__name__}: {type(error).__name__} while reading it>"

    def _encode(self, value: object, depth: int, parents: tuple[int, ...]) -> Json:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return _integer(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(value)
        if isinstance(value, (bytes, bytearray)):
            return f"<{len(value)} bytes>"
        if depth >= MAX_DEPTH or id(value) in parents:
            return f"<{type(value).__name__}>"
        inner = depth + 1, (*parents, id(value))
        fields = _fields(value)
        if fields is not None:
            return self._object(fields, *inner)
        elements = _elements(value)
        if elements is None:
            return self._text(_ADDRESS.sub("", str(value)))
        return self._array(elements, *inner)

    def _text(self, text: str) -> str:
        text = clean_text(text, max(0, min(MAX_TEXT, self._left)))
        self._left -= len(text)
        return text

    def _object(self, fields: Mapping[Any, Any], depth: int, parents: tuple[int, ...]) -> Json:
        result: dict[str, Json] = {}
        for index, (key, item) in enumerate(fields.items()):
            if index == MAX_ITEMS or self._left <= 0:
                result["…"] = f"{len(fields) - index} more"
                break
            name = clean_text(str(key), 1_000)
            self._left -= len(name)
            hide = self._hide and is_secret_key(name)
            hide = hide and item is not None and not isinstance(item, bool)
            result[name] = HIDDEN if hide else self.encode(item, depth, parents)
        return result

    def _array(self, elements: list[object], depth: int, parents: tuple[int, ...]) -> Json:
        result: list[Json] = []
        for index, item in enumerate(elements):
            if index == MAX_ITEMS or self._left <= 0:
                result.append(f"… {len(elements) - index} more")
                break
            result.append(self.encode(item, depth, parents))
        return result


def _integer(value: int) -> Json:
    if -_LARGEST_INT <= value < _LARGEST_INT:
        return int(value)
    # Python refuses to print integers of more than 4,300 digits
    digits = value.bit_length() < 10_000
    return str(value) if digits else f"<integer of {value.bit_length()} bits>"


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
        fields = [(str(name), getattr(value, str(name), None)) for name in cast("list[Any]", names)]
        return {name: item for name, item in fields if not is_empty(item)}
    return None


def is_empty(value: object) -> bool:
    """Whether a field holds nothing; tables and arrays cannot be compared to find that out."""
    return value is None or (isinstance(value, (list, tuple, dict)) and not value)
