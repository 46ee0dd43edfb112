"""Messages that are no LangChain objects: OpenAI's dictionaries, tuples, serialised messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from clearml_otel.langchain.message_parts import (
    content_parts,
    tool_call_part,
    tool_response_part,
)
from clearml_otel.langchain.values import Json, clean_text

Message: TypeAlias = "dict[str, Json]"

ROLES: Final[Mapping[str, str]] = {
    "human": "user",
    "user": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "developer": "system",
    "SystemMessageChunk": "system",
    "tool": "tool",
    "function": "tool",
    "ToolMessageChunk": "tool",
    "FunctionMessageChunk": "tool",
}
"""The conventions' role of LangChain's message types and of the providers' roles."""
_CONTENT_KEYS: Final = ("content", "parts", "tool_calls")


def as_message(value: object) -> Message | None:
    """A message in a form other than LangChain's own as the conventions' JSON, else None.

    Known are ``{"role", "content"}``, ``(role, content)``, and what LangChain's
    ``message_to_dict``, ``model_dump`` and ``dumpd`` make of a message.
    """
    if isinstance(value, (tuple, list)):
        return _of_pair(cast("Sequence[object]", value))
    if not isinstance(value, Mapping):
        return None
    fields = cast("Mapping[str, Any]", value)
    role = fields.get("role")
    if isinstance(role, str):
        known = any(key in fields for key in _CONTENT_KEYS)
        return _message(ROLES.get(role, role), fields) if known else None
    kind = fields.get("type")
    if kind == "constructor" and isinstance(fields.get("kwargs"), Mapping):
        return _of_constructor(fields)
    if not isinstance(kind, str) or (kind not in ROLES and kind != "chat"):
        return None
    data = fields.get("data")
    inner = cast("Mapping[str, Any]", data) if isinstance(data, Mapping) else fields
    if "content" not in inner:
        return None
    role = inner.get("role")
    return _message(role if isinstance(role, str) else ROLES.get(kind, kind), inner)


def _of_pair(pair: Sequence[object]) -> Message | None:
    if len(pair) != 2 or not isinstance(pair[0], str) or pair[0] not in ROLES:
        return None
    if not isinstance(pair[1], (str, list)):
        return None
    return _message(ROLES[pair[0]], {"content": cast("object", pair[1])})


def _of_constructor(fields: Mapping[str, Any]) -> Message | None:
    """LangChain's serialised object: its class's path and its keywords."""
    path = cast("Sequence[object]", fields.get("id") or [""])
    keywords = cast("Mapping[str, Any]", fields["kwargs"])
    name = str(path[-1])
    kind = name.removesuffix("Chunk").removesuffix("Message").lower()
    if "content" not in keywords or (kind not in ROLES and kind != "chat"):
        return None
    role = keywords.get("role")
    return _message(role if isinstance(role, str) else ROLES.get(kind, kind), keywords)


def _message(role: str, fields: Mapping[str, Any]) -> Message:
    content = fields.get("content", fields.get("parts"))
    given: object = fields.get("tool_calls")
    calls = cast("Sequence[Any]", given) if isinstance(given, (list, tuple)) else ()
    parts: list[Json]
    if role == "tool":
        parts = [tool_response_part(content, fields.get("tool_call_id"))]
    else:
        parts = content_parts(content, calls_told=bool(calls))
        parts.extend(
            tool_call_part(cast("Mapping[str, Any]", call))
            for call in calls
            if isinstance(call, Mapping)
        )
    message: Message = {"role": clean_text(role, 1_000), "parts": parts}
    if isinstance(name := fields.get("name"), str) and name:
        message["name"] = clean_text(name, 1_000)
    return message
