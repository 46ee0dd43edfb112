"""LangGraph's own values, known by their classes' names: LangGraph need not be installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from clearml_otel.langchain.values import is_empty

_MODULE: Final = "langgraph."
_NAMES: Final = frozenset({"Command", "Send", "Interrupt", "GraphOutput", "Overwrite"})

_PAIR: Final = 2


def is_graph_value(value: object) -> bool:
    """Whether it is a ``Command``, a ``Send`` or another of LangGraph's envelopes."""
    kind = type(value)
    return kind.__name__ in _NAMES and str(kind.__module__).startswith(_MODULE)


def carried(value: object) -> object:
    """What an envelope of LangGraph carries.

    Of a ``Command`` the update, else the answer to an interrupt, None where it only goes
    elsewhere; of a ``Send`` the node's input; of an ``Interrupt`` the question.
    """
    kind = type(value).__name__
    if kind == "Command":
        if not is_empty(update := command_update(value)):
            return update
        return getattr(value, "resume", None)
    return getattr(value, "arg" if kind == "Send" else "value", None)


def envelope(value: object) -> object:
    """An envelope with what is written on it, as plain fields."""
    kind = type(value).__name__
    if kind == "Send":
        return {"node": getattr(value, "node", None), "arg": getattr(value, "arg", None)}
    if kind != "Command":
        return carried(value)
    fields = {
        "goto": _goto(value),
        "update": command_update(value),
        "resume": getattr(value, "resume", None),
    }
    return {key: item for key, item in fields.items() if not is_empty(item)}


def command_update(command: object) -> object:
    """A ``Command``'s update of the state; one in pairs as a mapping."""
    update: object = getattr(command, "update", None)
    pairs = _items(update)
    if pairs and all(len(_items(pair)) == _PAIR for pair in pairs):
        return {str(_items(pair)[0]): _items(pair)[1] for pair in pairs}
    return update


def command_messages(command: object) -> Sequence[object]:
    """The messages in a ``Command``'s update of the state."""
    update = command_update(command)
    if isinstance(update, Mapping):
        return _items(cast("Mapping[str, object]", update).get("messages"))
    return _items(update)


def _goto(command: object) -> object:
    goto: object = getattr(command, "goto", None)
    if several := _items(goto):
        return [envelope(item) if is_graph_value(item) else item for item in several]
    return envelope(goto) if is_graph_value(goto) else goto


def _items(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else ()
