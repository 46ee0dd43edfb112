"""LangChain messages as the GenAI conventions' message JSON.

Schemas: ``gen_ai.input.messages`` and ``gen_ai.output.messages`` of the GenAI semantic
conventions. Images, audio and files are told by kind, type and size; their bytes stay out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from langchain_core.messages import BaseMessage

from clearml_otel.langchain.values import Json, clean_text, plain, plain_json, to_text

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
_INNER_KEYS: Final = ("source", "image_url", "input_audio", "file")
_DATA_KEYS: Final = ("data", "base64", "bytes", "file_data", "b64_json")
_MIME_KEYS: Final = ("mime_type", "media_type", "format")
_REASONING: Final = frozenset({"reasoning", "thinking"})
_TOOL_BLOCKS: Final = frozenset({"tool_use", "tool_call", "tool_call_chunk", "function_call"})


def prompt_message(prompt: object) -> dict[str, Json]:
    """A completion prompt as a user's message."""
    return {"role": "user", "parts": [{"type": "text", "content": to_text(prompt)}]}


def prompts_json(prompts: Iterable[object]) -> str:
    """Completion prompts as the convention's JSON."""
    return plain_json([prompt_message(prompt) for prompt in prompts])


def conversations_json(conversations: Iterable[Iterable[object]]) -> str:
    """Lists of chat messages, one after the other, as the convention's JSON."""
    return plain_json(input_messages(message for turn in conversations for message in turn))


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
    """The text of a message, its other parts left out; a tool's message is its response."""
    texts: list[str] = []
    for part in cast("list[Part]", _parts(message)):
        if part["type"] == "text":
            texts.append(str(part["content"]))
        elif part["type"] == "tool_call_response":
            texts.append(_response_text(part["response"]))
    return "".join(texts)


def _response_text(response: Json) -> str:
    """A tool's response; content blocks are read as the texts that they hold."""
    if isinstance(response, list):
        blocks = [block for block in response if isinstance(block, dict)]
        if blocks and all(isinstance(block.get("text"), str) for block in blocks):
            return "".join(str(block["text"]) for block in blocks)
    return to_text(response)


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
    fields, url = _media_fields(kind, block)
    data = next((fields[key] for key in _DATA_KEYS if fields.get(key)), None)
    mime = next((str(fields[key]) for key in _MIME_KEYS if fields.get(key)), None)
    if isinstance(url, str) and url.startswith("data:"):
        data, url = url, None
    if isinstance(data, str) and data.startswith("data:"):
        mime = data.partition(",")[0][5:].partition(";")[0] or mime
    part: Part = {"modality": kind.removesuffix("_url").removeprefix("input_") or "file"}
    if mime:
        part["mime_type"] = clean_text(mime, 200)
    if data is not None:
        size = len(data) if isinstance(data, (str, bytes)) else 0
        return part | {"type": "blob", "size": size}
    if isinstance(url, str):
        return part | {"type": "uri", "uri": clean_text(url, 2_000)}
    if file_id := fields.get("file_id") or fields.get("id"):
        return part | {"type": "file", "file_id": to_text(file_id)}
    return part | {"type": kind or "unknown"}


def _media_fields(kind: str, block: dict[str, Any]) -> tuple[dict[str, Any], object]:
    """A block's fields with those of the object in it that providers put them into, and its URL."""
    inner = next((block[key] for key in (kind, *_INNER_KEYS) if block.get(key)), None)
    if isinstance(inner, dict):
        fields = block | cast("dict[str, Any]", inner)
        return fields, fields.get("url")
    return block, inner if isinstance(inner, str) else block.get("url")
