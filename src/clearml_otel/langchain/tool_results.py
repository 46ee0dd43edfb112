"""A tool's input and output as texts, and the artifact that it kept from the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage

from clearml_otel.langchain.documents import documents_json, is_documents
from clearml_otel.langchain.graph_values import command_messages, is_graph_value
from clearml_otel.langchain.media import bytes_part, media_mark
from clearml_otel.langchain.message_parts import content_parts, readable
from clearml_otel.langchain.messages import message_text
from clearml_otel.langchain.readable import in_json, in_words, is_blocks
from clearml_otel.langchain.values import clean_text, plain_json

_LONGEST_ARTIFACT: Final = 32_768
"""Characters of an artifact, about; what is cut of a longer one says so."""


def tool_output(value: object) -> str:
    """A tool's output as the text that the model is given, not as the repr of a message."""
    if type(value) is str:
        return clean_text(value)
    messages = _messages(value)
    if messages:
        return "\n".join(message_text(message) for message in messages)
    if isinstance(value, Document):
        return clean_text(value.page_content)
    if isinstance(value, (bytes, bytearray)):
        return media_mark(bytes_part(value))
    items = _items(value)
    if items and is_documents(items):
        return documents_json(items)
    return readable(content_parts(items)) if items and is_blocks(items) else in_words(value)


def tool_artifact(value: object) -> str | None:
    """The artifact of a tool of ``response_format="content_and_artifact"``, as bounded JSON.

    One of bytes is told by its size and hash, and so is base64 in it.
    """
    kept = [getattr(message, "artifact", None) for message in _messages(value)]
    found = [artifact for artifact in kept if artifact is not None]
    if not found:
        return None
    artifact: object = found[0] if len(found) == 1 else found
    if isinstance(artifact, (bytes, bytearray)):
        return plain_json(bytes_part(artifact))
    return in_json(artifact, _LONGEST_ARTIFACT)


def _messages(value: object) -> list[BaseMessage]:
    """The messages that a tool's output is or, in a list or a LangGraph ``Command``, has."""
    if isinstance(value, BaseMessage):
        return [value]
    found: list[BaseMessage] = []
    for item in _items(value) or [value]:
        if isinstance(item, BaseMessage):
            found.append(item)
        elif is_graph_value(item):
            messages = command_messages(item)
            found.extend(message for message in messages if isinstance(message, BaseMessage))
        else:
            return []
    return found


def _items(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else ()
