"""LangChain messages as the GenAI conventions' message JSON.

Schemas: ``gen_ai.input.messages`` and ``gen_ai.output.messages`` of the GenAI semantic
conventions. Images, audio and files are told by kind, type and size; their bytes stay out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from langchain_core.messages import BaseMessage

from clearml_otel.langchain.values import Json, clean_text, plain, to_text

Part: TypeAlias = "dict[str, Json]"

_ROLES: Final[Mapping[str, str]] = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "HumanMessageChunk": "user",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "function": "tool",
}
_REASONING: Final = frozenset({"reasoning", "thinking"})
_TOOL_BLOCKS: Final = frozenset({"tool_use", "tool_call", "tool_call_chunk", "function_call"})


def prompt_message(prompt: object) -> dict[str, Json]:
    """A completion prompt as a user's message."""
    return {"role": "user", "parts": [{"type": "text", "content": to_text(prompt)}]}


def input_messages(messages: Iterable[object]) -> list[Json]:
    """Chat messages, whatever form they were given in, as the convention's JSON."""
    return [_message(message) for message in messages]


def output_message(text: object, message: object, finish_reason: str | None) -> dict[str, Json]:
    """One generation as an output message.

    Args:
        text: the generation's ``text``.
        message: its ``message``, for chat models.
        finish_reason: why the model stopped, where it said so.
    """
    parts: list[Json] = [{"type": "text", "content": to_text(text)}]
    result: dict[str, Json] = {"role": "assistant", "parts": parts}
    if isinstance(message, BaseMessage):
        result = _message(message)
    if finish_reason is not None:
        result["finish_reason"] = finish_reason
    return result


def message_text(message: BaseMessage) -> str:
    """The text of a message, its other parts left out."""
    parts = cast("list[Part]", _parts(message))
    return "".join(str(part["content"]) for part in parts if part.get("type") == "text")


def _message(message: object) -> dict[str, Json]:
    if not isinstance(message, BaseMessage):
        return {"role": "user", "parts": [{"type": "text", "content": to_text(message)}]}
    role = getattr(message, "role", None) or _ROLES.get(message.type, message.type)
    result: dict[str, Json] = {"role": str(role), "parts": _parts(message)}
    if message.name:
        result["name"] = clean_text(str(message.name), 1_000)
    return result


def _parts(message: BaseMessage) -> list[Json]:
    parts: list[Json] = []
    content: Any = message.content  # pyright: ignore[reportUnknownMemberType]  # str or any blocks
    if message.type in {"tool", "function"}:
        part: Part = {"type": "tool_call_response", "response": _response(content)}
        if call_id := getattr(message, "tool_call_id", None):
            part["id"] = str(call_id)
        return [part]
    blocks: Sequence[Any] = [content] if isinstance(content, str) else list(content or ())
    for block in blocks:
        if isinstance(block, str):
            if block:
                parts.append({"type": "text", "content": clean_text(block)})
        elif isinstance(block, dict):
            parts.extend(_block(cast("dict[str, Any]", block)))
        else:
            parts.append({"type": "text", "content": to_text(block)})
    parts.extend(_tool_calls(message))
    return parts


def _response(content: object) -> Json:
    return clean_text(content) if isinstance(content, str) else plain(content)


def _tool_calls(message: BaseMessage) -> list[Json]:
    calls: list[Json] = []
    for key in ("tool_calls", "invalid_tool_calls"):
        for call in getattr(message, key, None) or ():
            fields = cast("Mapping[str, Any]", call)
            part: Part = {
                "type": "tool_call",
                "name": to_text(fields.get("name")),
                "arguments": plain(fields.get("args")),
            }
            if fields.get("id"):
                part["id"] = str(fields["id"])
            calls.append(part)
    return calls


def _block(block: dict[str, Any]) -> list[Json]:
    kind = str(block.get("type") or "")
    if kind in {"text", "input_text", "output_text"} or (not kind and "text" in block):
        return [{"type": "text", "content": to_text(block.get("text"))}]
    if kind in _REASONING:
        content = block.get("reasoning") or block.get("thinking") or block.get("text") or ""
        return [{"type": "reasoning", "content": to_text(content)}]
    if kind in _TOOL_BLOCKS:
        return []  # the message's tool_calls say it in every provider's case
    return [_media(kind, block)]


def _media(kind: str, block: dict[str, Any]) -> Json:
    """An image, a file or audio by reference: never its bytes."""
    source = block.get("image_url") or block.get("url") or block.get("source") or block
    url = cast("dict[str, Any]", source).get("url") if isinstance(source, dict) else source
    modality = kind.removesuffix("_url").removeprefix("input_") or "file"
    part: Part = {"type": "uri", "modality": modality}
    if mime := block.get("mime_type") or block.get("media_type"):
        part["mime_type"] = str(mime)
    if isinstance(url, str) and url.startswith("data:"):
        head = url.partition(",")[0]
        part |= {"type": "blob", "mime_type": head[5:].partition(";")[0], "size": len(url)}
    elif isinstance(url, str):
        part["uri"] = clean_text(url, 2_000)
    elif file_id := block.get("file_id") or block.get("id"):
        part |= {"type": "file", "file_id": to_text(file_id)}
    else:
        data = block.get("data") or block.get("base64")
        part |= {"type": "blob", "size": len(data) if isinstance(data, (str, bytes)) else 0}
    return part
