"""Fields of what LangChain and its integrations hand over, whatever it is."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final, cast

from clearml_otel.langchain.guard import report_error
from clearml_otel.langchain.values import clean_text, to_text

_NOTHING: Final[dict[str, Any]] = {}
_LONGEST_WORD: Final = 1_000
_LONGEST_KNOWN: Final = 100


def fields_of(value: Any) -> dict[str, Any]:
    """A mapping as a plain dictionary, whose methods are Python's own; anything else is empty.

    Args:
        value: not changed, and returned as it is where it is a dictionary already.
    """
    if type(value) is dict:
        return value  # pyright: ignore[reportUnknownVariableType]  # of anything; a cast is a call
    if value is None or not isinstance(value, Mapping):
        return _NOTHING
    try:
        return dict(cast("Mapping[str, Any]", value))
    except Exception as error:  # noqa: BLE001 - a mapping of the application's own
        report_error("mapping", error)
        return _NOTHING


def word(value: object) -> str:
    """A name, an id or a reason as text; of an enumeration's member the word that it stands for."""
    if type(value) is str:
        return _known(value) if len(value) <= _LONGEST_KNOWN else clean_text(value, _LONGEST_WORD)
    if isinstance(value, str):
        # a member of a textual enumeration prints as its class and name
        return clean_text(str.__str__(value), _LONGEST_WORD)
    try:
        name = getattr(value, "name", None)
    except Exception as error:  # noqa: BLE001 - an object of the application's own
        report_error("word", error)
        return ""
    return clean_text(name if isinstance(name, str) else to_text(value), _LONGEST_WORD)


@functools.lru_cache(2_048)
def _known(value: str) -> str:
    """The same few models, providers and reasons come with every call."""
    return clean_text(value)
