"""The question in a chain's input and the answer in its output, whatever their shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from langchain_core.agents import AgentFinish
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue

from clearml_otel.langchain.messages import message_text
from clearml_otel.langchain.values import (
    clean_text,
    is_secret_key,
    plain,
    to_json,
    to_text,
)

_DEEPEST: Final = 8
_INPUT_KEYS: Final = ("input", "human_input", "question", "query", "prompt", "messages", "text")
_OUTPUT_KEYS: Final = (
    "output",
    "text",
    "answer",
    "result",
    "response",
    "content",
    "generation",
    "messages",
)


def chain_input(value: object) -> str:
    """What a chain was asked, as one text."""
    return _readable(value, _INPUT_KEYS)


def chain_output(value: object) -> str:
    """What a chain answered, as one text."""
    return _readable(value, _OUTPUT_KEYS)


def tool_input(input_str: object, inputs: object) -> str:
    """A tool's input: its only argument as it is, several as JSON.

    Args:
        input_str: the callback's ``input_str``, which for structured tools is the repr of a
            dictionary.
        inputs: the callback's ``inputs``, the arguments by name, where LangChain gives them.
    """
    if not isinstance(inputs, Mapping) or not inputs:
        return to_text(input_str)
    arguments = plain(cast("Mapping[str, Any]", inputs))  # which hides secrets by their names
    if isinstance(arguments, dict) and len(arguments) == 1:
        return to_text(next(iter(arguments.values())))
    return to_json(arguments)


def tool_arguments(input_str: object, inputs: object) -> str:
    """A tool's arguments as JSON where LangChain gives them by name, else as their text."""
    return to_json(inputs) if inputs else to_text(input_str)


def tool_output(value: object) -> str:
    """A tool's output as its text, not as the repr of a message."""
    return message_text(value) if isinstance(value, BaseMessage) else _readable(value, ())


def documents_json(documents: object) -> str:
    """Retrieved documents as JSON: content, and id, score and source where they are known."""
    if not isinstance(documents, Sequence) or isinstance(documents, str):
        return to_json(documents)
    rows: list[dict[str, object]] = []
    for document in cast("Sequence[object]", documents):
        if not isinstance(document, Document):
            rows.append({"content": plain(document)})
            continue
        metadata = cast("dict[str, object]", document.metadata)  # pyright: ignore[reportUnknownMemberType]  # dict of anything
        row: dict[str, object] = {"id": document.id, "content": document.page_content}
        row |= {key: metadata.get(key) for key in ("source", "score", "relevance_score")}
        rows.append({key: item for key, item in row.items() if item is not None})
    return to_json(rows)


def _readable(value: object, keys: tuple[str, ...]) -> str:
    try:
        return _found(value, keys, 0)
    except Exception:  # noqa: BLE001 - a container of the application's own may raise anything
        return to_text(value)


def _found(value: object, keys: tuple[str, ...], depth: int) -> str:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, BaseMessage):
        return message_text(value) or to_json(value)
    if isinstance(value, PromptValue):
        return to_text(value.to_string())
    if depth >= _DEEPEST:
        return to_text(value)
    if isinstance(value, AgentFinish):
        return _found(cast("object", value.return_values), _OUTPUT_KEYS, depth + 1)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        key = next((key for key in keys if fields.get(key) is not None), None)
        if key is None and len(fields) == 1:
            key = next(iter(fields))
        if key is None or is_secret_key(str(key)):
            return to_json(fields)
        return _found(fields[key], keys, depth + 1)
    message = _last_message(value)
    return to_text(value) if message is None else _found(message, keys, depth + 1)


def _last_message(value: object) -> object:
    """Of a conversation the last message is the question, or the answer; else None.

    Messages may be given as LangChain's or as OpenAI's ``{"role", "content"}``.
    """
    if not isinstance(value, (list, tuple)) or not value:
        return None
    last = cast("Sequence[object]", value)[-1]
    if isinstance(last, BaseMessage):
        return last
    if isinstance(last, Mapping):
        fields = cast("Mapping[str, object]", last)
        return fields["content"] if "role" in fields and "content" in fields else None
    return None
