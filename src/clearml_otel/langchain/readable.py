"""Any value of an application as the text that a person would read in it.

Texts and messages are read as they are; what has no known form becomes JSON, never a repr with
addresses in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.prompt_values import PromptValue

from clearml_otel.langchain.documents import document_fields, documents_json, is_documents
from clearml_otel.langchain.graph_values import carried, envelope, is_graph_value
from clearml_otel.langchain.media import media_kind
from clearml_otel.langchain.message_forms import as_message
from clearml_otel.langchain.message_parts import content_parts, readable
from clearml_otel.langchain.messages import message_text
from clearml_otel.langchain.values import (
    MAX_TOTAL,
    Json,
    clean_text,
    plain,
    plain_json,
    to_text,
)
from clearml_otel.secret_texts import is_secret_key

_DEEPEST: Final = 8
_DEEPEST_BRIEF: Final = 4
_MOST_BRIEF: Final = 2_000
_STRUCTURED: Final = "structured_response"
_SPEAKERS: Final[Mapping[str, str]] = {"system": "System", "human": "Human", "ai": "AI"}
_BLOCKS: Final = frozenset({"text", "input_text", "output_text", "tool_call"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where in a value the text stands.

    Args:
        keys: of mappings, the most telling first.
        of_objects: of models and dataclasses, likewise.
        background: keys of mappings that hold something else.
    """

    keys: tuple[str, ...]
    of_objects: tuple[str, ...]
    background: frozenset[str]


def text_in(value: object, wanted: Wanted, depth: int = 0) -> str:
    """The text that stands for a value; see :class:`Wanted`."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, BaseMessage):
        return message_text(value)
    if depth >= _DEEPEST or value is None or isinstance(value, (int, float)):
        return in_words(value)
    if type(value) is dict or isinstance(value, Mapping):
        return _in_mapping(cast("Mapping[str, object]", value), wanted, depth)
    if isinstance(value, (list, tuple)):
        return _in_items(cast("Sequence[object]", value), wanted, depth)
    return _in_object(value, wanted, depth)


def in_words(value: object) -> str:
    """A value of no known form: its text, or JSON of what is in it."""
    found = _plainly(value, MAX_TOTAL)
    return found if isinstance(found, str) else plain_json(found)


def in_json(value: object, total: int) -> str:
    """A value as JSON of about ``total`` characters at most."""
    return plain_json(_plainly(value, total))


def is_blocks(items: Sequence[object]) -> bool:
    """Whether a list is what messages hold: blocks of text, images, files, tool calls."""
    if len(items) > _MOST_BRIEF:
        return False
    blocks = [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]
    return len(blocks) == len(items) and all(map(_is_block, blocks))


def _is_block(fields: Mapping[str, Any]) -> bool:
    kind = fields.get("type")
    return isinstance(kind, str) and (kind in _BLOCKS or media_kind(fields) is not None)


def _in_mapping(fields: Mapping[str, object], wanted: Wanted, depth: int) -> str:
    if "role" in fields or "type" in fields:
        if message := as_message(fields):
            return _message_said(message)
        if fields.get("type") == "tool_call":
            return readable(content_parts(fields))
    key = _known_key(fields, wanted.keys)
    if key is None:
        if "raw" in fields and "parsed" in fields:  # a model's structured output
            parsed = fields["parsed"]
            return text_in(fields["raw"], wanted, depth + 1) if parsed is None else in_words(parsed)
        key = _only_key(fields, wanted.background)
    if key is None or is_secret_key(str(key)):
        return in_words(fields)
    return in_words(fields[key]) if key == _STRUCTURED else text_in(fields[key], wanted, depth + 1)


def _known_key(fields: Mapping[str, object], keys: tuple[str, ...]) -> str | None:
    """The first of the keys that holds something, else the first that is there."""
    if fields.keys().isdisjoint(keys):
        return None
    empty = None
    for key in keys:
        value = fields.get(key)
        if value is None:
            continue
        if not isinstance(value, (str, list, tuple, dict)) or value:
            return key
        empty = empty or key
    return empty


def _only_key(fields: Mapping[str, object], background: frozenset[str]) -> str | None:
    """The only key that is no background, if it holds a text and not a structure's value."""
    if len(fields) > _MOST_BRIEF:
        return None
    rest = [key for key in fields if key not in background] or list(fields)
    if len(rest) != 1:
        return None
    value = fields[rest[0]]
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        return rest[0] if items and _last_said(items) is not None else None
    return rest[0] if isinstance(value, (str, BaseMessage, PromptValue, Mapping)) else None


def _in_items(items: Sequence[object], wanted: Wanted, depth: int) -> str:
    if not items:
        return "[]"
    if len(items) == 1 and is_graph_value(items[0]):
        return text_in(items[0], wanted, depth + 1)
    said = _last_said(items)
    if said is not None:
        return said
    if isinstance(items, tuple) and (message := as_message(items)):
        return _message_said(message)
    if is_documents(items):
        return documents_json(items)
    return readable(content_parts(items)) if is_blocks(items) else in_words(items)


def _last_said(items: Sequence[object]) -> str | None:
    """Of a conversation the last message, instructions left aside; None where it is none."""
    instructions: str | None = None
    for item in reversed(items):
        if isinstance(item, BaseMessage):
            if item.type != "system":
                return message_text(item)
            said = message_text(item)
        else:
            message = as_message(item)
            if message is None:
                break
            said = _message_said(message)
            if message["role"] != "system":
                return said
        instructions = said if instructions is None else instructions
    return instructions


def _message_said(message: Mapping[str, Any]) -> str:
    return readable(message["parts"])


def _in_object(value: object, wanted: Wanted, depth: int) -> str:
    if isinstance(value, PromptValue):
        return _prompt_text(value)
    if isinstance(value, AgentFinish):
        return text_in(cast("object", value.return_values), wanted, depth + 1)
    if isinstance(value, Document):
        return clean_text(value.page_content)
    if isinstance(value, Generation):
        chat = isinstance(value, ChatGeneration)
        return message_text(value.message) if chat else clean_text(value.text)
    if isinstance(value, AgentAction):
        return in_words(value)
    if is_graph_value(value):
        inner = carried(value)
        return in_words(value) if inner is None else text_in(inner, wanted, depth + 1)
    # the class is asked, not the instance: a mock or proxy would answer anything
    if hasattr(type(value), "model_fields") or dataclasses.is_dataclass(type(value)):
        for name in wanted.of_objects:
            field: object = getattr(value, name, None)
            if isinstance(field, (str, list, tuple, BaseMessage)) and field:
                return text_in(cast("object", field), wanted, depth + 1)
    return in_words(value)


def _prompt_text(prompt: PromptValue) -> str:
    messages = getattr(prompt, "messages", None)
    if not isinstance(messages, (list, tuple)):
        return to_text(prompt.to_string())
    return "\n".join(_line(message) for message in cast("Sequence[BaseMessage]", messages))


def _line(message: BaseMessage) -> str:
    """A message with its speaker, as LangChain's ``get_buffer_string`` shows it."""
    kind = message.type.removesuffix("MessageChunk")
    speaker = _SPEAKERS.get(kind.lower()) or getattr(message, "role", None) or kind.capitalize()
    return f"{speaker}: {message_text(message)}"


def _plainly(value: object, total: int) -> Json:
    try:
        return plain(_Brief().of(value, 0), total)
    except Exception:  # noqa: BLE001 - a container of the application's own may raise anything
        return plain(value, total)


def _old_fields(value: object) -> Sequence[str]:
    """The names of the fields of a model of pydantic's first version."""
    kind = type(value)
    # pydantic's second version warns whoever asks it for the first one's attribute
    names: object = () if hasattr(kind, "model_fields") else getattr(kind, "__fields__", ())
    return list(cast("Mapping[str, object]", names)) if isinstance(names, Mapping) else ()


class _Brief:
    """Puts what messages, documents and envelopes say in their place, in the first values."""

    def __init__(self) -> None:
        self._left = _MOST_BRIEF

    def of(self, value: object, depth: int) -> object:
        self._left -= 1
        if isinstance(value, (str, bytes, int, float)) or value is None:
            return value
        if depth > _DEEPEST_BRIEF or self._left < 0:
            return value
        if isinstance(value, BaseMessage):
            return _line(value)
        if isinstance(value, Document):
            return document_fields(value)
        if isinstance(value, PromptValue):
            return _prompt_text(value)
        if isinstance(value, AgentAction):
            tool_input = self.of(value.tool_input, depth + 1)
            return {"tool": value.tool, "tool_input": tool_input, "log": value.log}
        if is_graph_value(value):
            return self.of(envelope(value), depth + 1)
        if isinstance(value, (Mapping, list, tuple)):
            return self._items(cast("Mapping[Any, object] | Sequence[object]", value), depth + 1)
        named = _old_fields(value)
        return self._items({name: getattr(value, name, None) for name in named}, depth + 1) or value

    def _items(self, items: Mapping[Any, object] | Sequence[object], depth: int) -> object:
        if len(items) > self._left:
            return items
        if isinstance(items, tuple) and isinstance(names := getattr(items, "_fields", None), tuple):
            items = dict(zip(cast("tuple[str, ...]", names), items, strict=False))
        if isinstance(items, Mapping):
            return {key: self.of(item, depth) for key, item in items.items()}
        return [self.of(item, depth) for item in items]
