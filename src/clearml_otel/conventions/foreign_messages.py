"""Messages of any shape as the GenAI conventions' message JSON.

Read are the conventions' own form, OpenAI's chat and responses forms, LangChain's dumps
(constructor, ``data`` and plain), its results and prompts, OpenInference's flattened messages,
Anthropic's, Bedrock's and Google's content blocks, and plain text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from clearml_otel.conventions.foreign_values import (
    REDACTED,
    fields_of,
    is_object,
    items_of,
    parsed,
    text_of,
)

Message: TypeAlias = "dict[str, Any]"

_ROLES: Final[Mapping[str, str]] = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "function": "tool",
    "AIMessageChunk": "assistant",
    "HumanMessageChunk": "user",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
}
_SPEAKERS: Final = frozenset({*_ROLES, "user", "assistant", "system", "developer", "tool"})
_LISTS: Final = ("messages", "choices", "input", "output", "contents", "candidates")
_CONTENTS: Final = frozenset({"content", "contents", "data", "parts", "tool_calls"})
_TEXTS: Final = frozenset({"text", "input_text", "output_text", ""})
_REASONING: Final = frozenset({"reasoning", "thinking"})
_CALLS: Final = frozenset({"tool_call", "tool_use", "function_call", "function"})
_RESPONSES: Final = frozenset({"tool_call_response", "tool_result", "function_call_output"})
_BLOCKS: Final = frozenset(
    {*_REASONING, "tool_use", "tool_result", "image_url", "image", "input_image", "file"}
)
# keys of blocks without a type, as Bedrock's and Google's are
_CALL_KEYS: Final = ("toolUse", "functionCall", "function_call")
_RESPONSE_KEYS: Final = ("toolResult", "functionResponse", "function_response")
_DEEPEST: Final = 8
"""How far below the top messages are looked for."""
_ASIDE: Final = ("finish_reason", "logprobs", "name")


def messages_of(value: object, speaker: str) -> list[Message] | None:
    """The messages in a value.

    Args:
        value: text, JSON or a structure.
        speaker: who says what has no role: ``user`` or ``assistant``.

    Returns:
        The messages, each with ``role`` and ``parts``, those of an answer also with
        ``finish_reason`` and ``logprobs`` where they are told; None where there are none.
    """
    structure = parsed(value)
    found = list(_messages(structure, speaker))
    if any(message["parts"] for message in found):
        return [message for message in found if message["parts"]]
    # an answer may be the JSON of something else
    if isinstance(value, str) and value != REDACTED and not has_roles(structure):
        return [_said(value, speaker)]
    return None


def has_roles(value: object) -> bool:
    """Whether a value holds chat messages rather than completion prompts."""
    return any(message["role"] for message in _messages(parsed(value), ""))


def with_blocks(message: object) -> object:
    """A message whose content is the JSON of content blocks, with these; any other as it is.

    An answer may be JSON of something else: each item has to be a block that is known.
    """
    fields = fields_of(message)
    blocks = items_of(parsed(fields.get("content")))
    known = bool(blocks) and all(_is_block(fields_of(block)) for block in blocks)
    return {**fields, "content": blocks} if known else message


def _is_block(fields: Mapping[str, Any]) -> bool:
    kind = fields.get("type")
    if kind is None:
        return _typeless(fields) is not None or set(fields) == {"text"}
    if kind in ("text", "input_text", "output_text"):
        return isinstance(fields.get("text"), str)
    return isinstance(kind, str) and kind in _BLOCKS


def content_of(value: object) -> str | None:
    """The text in a message that stands for a value, such as what a tool gave; else the value."""
    structure = parsed(value)
    fields = fields_of(structure)
    if _is_message(fields):
        inner = _unwrapped(fields)
        return text_of(plain_content(inner.get("content")))
    return text_of(value)


def _messages(structure: object, speaker: str, depth: int = 0) -> Iterator[Message]:
    if depth > _DEEPEST:
        return
    if is_object(structure):
        fields = fields_of(structure)
        if "generations" in fields:
            yield from _generations(fields["generations"])
        elif "prompts" in fields:
            yield from (_said(text_of(item) or "", speaker) for item in items_of(fields["prompts"]))
        elif _is_message(fields):
            yield from _message(fields, speaker)
        else:
            for key in _LISTS:
                if key in fields:
                    yield from _messages(parsed(fields[key]), speaker, depth + 1)
        return
    items = items_of(structure)
    if _is_pair(items):
        role, text = str(items[0]), str(items[1])
        yield _said(text, _ROLES.get(role, role))
        return
    for item in items:
        fields = fields_of(item)
        choice = _choice_text(fields)
        if choice is not None:
            yield {**_said(choice, speaker), **_aside(fields)}
        else:
            yield from _messages(item, speaker, depth + 1)


def _is_pair(items: list[Any]) -> bool:
    """Whether a list is LangChain's short form of a message, ``["human", "text"]``."""
    return len(items) == 2 and _is_speaker(items[0]) and isinstance(items[1], str)


def _is_speaker(value: object) -> bool:
    return isinstance(value, str) and value in _SPEAKERS


def _is_message(fields: Mapping[str, Any]) -> bool:
    if any(is_object(fields.get(key)) for key in ("message", "kwargs", "delta")):
        return True
    if fields.get("role") or is_object(fields.get("data")):
        return bool(_CONTENTS & fields.keys())
    return "content" in fields and _is_speaker(fields.get("type"))


def _choice_text(fields: Mapping[str, Any]) -> str | None:
    """The text of one of several completions."""
    completion = fields_of(fields.get("completion")) or fields
    text = completion.get("text")
    return text if isinstance(text, str) and not _is_message(fields) else None


def _aside(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """What is told beside the parts."""
    return {key: source[key] for source in sources for key in _ASIDE if source.get(key)}


def _generations(lists: object) -> Iterator[Message]:
    """The answers of LangChain's ``LLMResult``."""
    for several in items_of(lists):
        for item in items_of(several) or [several]:
            fields = fields_of(item)
            aside = _aside(fields_of(fields.get("generation_info")))
            if is_object(fields.get("message")):
                for message in _message(fields_of(fields["message"]), "assistant"):
                    yield {**message, **aside}
            else:
                yield {**_said(text_of(fields.get("text")) or "", "assistant"), **aside}


def _message(fields: Mapping[str, Any], speaker: str) -> Iterator[Message]:
    inner = _unwrapped(fields)
    kind = str(inner.get("type") or "")
    role = str(inner.get("role") or (kind if kind in _SPEAKERS else "") or speaker)
    role = _ROLES.get(role, role)
    if role == "tool" and "parts" not in inner:
        if fields_of(inner.get("content")).get("type") == "function":
            return  # Langfuse tells the tools that a model may call as if they had spoken
        content = inner.get("content")
        told = [part for part in map(_part, items_of(content)) if part is not None]
        parts = [part for part in told if part["type"] == "tool_call_response"]
        parts = parts or [_response(inner, content)]
    else:
        parts = list(_parts(inner))
    yield {"role": role, "parts": parts, **_aside(fields, inner)}


def _unwrapped(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The message itself: dumps and choices have it one level or two below."""
    inner = dict(fields)
    for _ in range(3):
        for key in ("message", "kwargs", "data", "delta"):
            if is_object(inner.get(key)) and "parts" not in inner:
                inner = fields_of(inner[key])
                break
        else:
            return inner
    return inner


def _parts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    content = message.get("parts", message.get("contents", message.get("content")))
    blocks = items_of(content) or ([] if content in (None, "") else [content])
    calls = items_of(message.get("tool_calls"))
    for block in blocks:
        part = _part(block)
        # LangChain's tool calls say it in every provider's case
        if part is not None and not (calls and part["type"] == "tool_call"):
            yield part
    for call in calls:
        fields = fields_of(call)
        yield _call(fields_of(fields.get("tool_call")) or fields)


def _part(block: object) -> dict[str, Any] | None:
    if not is_object(block):
        text = text_of(block)
        return None if text in (None, REDACTED) else {"type": "text", "content": text}
    fields = fields_of(block)
    fields = fields_of(fields.get("message_content")) or fields
    kind = str(fields.get("type") or "")
    if not kind and (typeless := _typeless(fields)) is not None:
        return typeless
    if kind in _TEXTS:
        text = text_of(fields.get("content", fields.get("text")))
        return None if text is None else {"type": "text", "content": text}
    if kind in _REASONING:
        told = next((fields[key] for key in ("content", kind, "text") if fields.get(key)), "")
        return {"type": "reasoning", "content": text_of(told) or ""}
    if kind in _CALLS:
        return _call(fields)
    if kind in _RESPONSES:
        return _response(fields, _first(fields, "response", "result", "output", "content"))
    return _media(kind, fields)


def _typeless(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """A block whose only key says what it is; None for a text."""
    for key in _CALL_KEYS:
        if is_object(fields.get(key)):
            return _call(fields_of(fields[key]))
    for key in _RESPONSE_KEYS:
        if is_object(fields.get(key)):
            inner = fields_of(fields[key])
            return _response(inner, _first(inner, "content", "response"))
    thought = fields_of(fields_of(fields.get("reasoningContent")).get("reasoningText"))
    return {"type": "reasoning", "content": text_of(thought.get("text")) or ""} if thought else None


def _call(fields: Mapping[str, Any]) -> dict[str, Any]:
    function = fields_of(fields.get("function")) or fields
    arguments = _first(function, "arguments", "args", "input")
    identifier = _first(fields, "id", "call_id", "toolUseId")
    call = {"type": "tool_call", "name": function.get("name"), "arguments": parsed(arguments)}
    return call if identifier is None else {**call, "id": identifier}


def _response(fields: Mapping[str, Any], response: object) -> dict[str, Any]:
    identifier = _first(fields, "tool_call_id", "id", "call_id", "tool_use_id", "toolUseId")
    part = {"type": "tool_call_response", "response": plain_content(response)}
    return part if identifier is None else {**part, "id": identifier}


def plain_content(content: object) -> object:
    """Content whose blocks are all texts, as one text."""
    blocks = [fields_of(block) for block in items_of(content)]
    texts = [_first(block, "text", "content") for block in blocks]
    if texts and all(isinstance(text, str) for text in texts):
        return "".join(texts)
    return content


def _media(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """An image, a file or audio by reference: never its bytes."""
    part: dict[str, Any] = {"type": kind}
    mime = _first(fields, "mime_type", "media_type")
    modality = fields.get("modality") or kind.removesuffix("_url").removeprefix("input_")
    return {**part, "modality": modality, **({"mime_type": mime} if mime else {})}


def _said(text: str, role: str) -> Message:
    parts = [] if text == REDACTED else [{"type": "text", "content": text}]
    return {"role": role, "parts": parts}


def _first(fields: Mapping[str, Any], *keys: str) -> Any:
    return next((fields[key] for key in keys if fields.get(key) is not None), None)
