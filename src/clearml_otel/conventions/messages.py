"""GenAI message JSON (``gen_ai.input.messages``, ``gen_ai.output.messages``) as text.

Format: the GenAI semantic conventions' message schemas: ``[{"role", "parts": [...]}, ...]``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

_SPEAKERS: Final[Mapping[str, str]] = {
    "system": "System",
    "user": "Human",
    "assistant": "AI",
    "tool": "Tool",
}


def prompt_text(messages: object, *, chat: bool) -> str | None:
    """What the model was asked, as the ``prompts`` column shows it.

    Args:
        messages: parsed input messages, or the bare text where they could not be parsed.
        chat: whether each message is led by its speaker, as LangChain's
            ``get_buffer_string`` does; a completion prompt stands alone.

    Returns:
        The text, or None where there is no content.
    """
    if isinstance(messages, str):
        return messages
    if not isinstance(messages, list):
        return None
    lines: list[str] = []
    for message in cast("list[object]", messages):
        if not isinstance(message, dict):
            continue
        fields = cast("dict[str, Any]", message)
        text = text_of_parts(fields.get("parts"), describe_others=True) or ""
        role = str(fields.get("role") or "")
        lines.append(f"{_SPEAKERS.get(role, role)}: {text}" if chat else text)
    return "\n".join(lines) if lines else None


def text_of_parts(parts: object, *, describe_others: bool = False) -> str | None:
    """The text parts of a message, joined.

    Args:
        parts: the message's ``parts``.
        describe_others: whether tool calls, files and images are named in brackets.
    """
    if not isinstance(parts, list):
        return None
    texts: list[str] = []
    for part in cast("list[object]", parts):
        if not isinstance(part, dict):
            continue
        fields = cast("dict[str, Any]", part)
        if fields.get("type") == "text":
            texts.append(str(fields.get("content") or ""))
        elif describe_others:
            texts.append(_described(fields))
    return "".join(texts)


def _described(part: Mapping[str, Any]) -> str:
    kind = str(part.get("type") or "part")
    if kind == "tool_call":
        arguments = json.dumps(part.get("arguments"), ensure_ascii=False)
        return f"[tool call {part.get('name')}({arguments})]"
    if kind == "tool_call_response":
        response = part.get("response")
        return response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
    if kind == "reasoning":
        return str(part.get("content") or "")
    media = part.get("mime_type") or part.get("modality") or ""
    return f"[{kind} {media}]".replace(" ]", "]")
