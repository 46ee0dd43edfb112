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
    said = ""
    after_text = True
    for part in _objects(cast("list[object]", parts)):
        is_text = part.get("type") == "text"
        if not is_text and not describe_others:
            continue
        text = str(part.get("content") or "") if is_text else _described(part)
        # texts go on as they stand; what is in brackets stands apart
        apart = text and said and not (is_text and after_text) and not said[-1].isspace()
        said = f"{said} {text}" if apart else said + text
        after_text = is_text
    return said


def tool_calls_of_parts(parts: object) -> str | None:
    """The tools that a message asks for, as a JSON array; None where it asks for none.

    Each has ``name``, ``arguments`` and ``id``, and ``error`` where its arguments could not be
    read.
    """
    calls = [
        {
            "name": part.get("name"),
            "arguments": part.get("arguments"),
            "id": part.get("id"),
            **({"error": part["error"]} if part.get("error") else {}),
        }
        for part in _of_type("tool_call", parts)
    ]
    return json.dumps(calls, ensure_ascii=False) if calls else None


def reasoning_of_parts(parts: object) -> str | None:
    """What a model thought before it answered; None where it does not say."""
    texts = [str(part.get("content") or "") for part in _of_type("reasoning", parts)]
    return "\n".join([text for text in texts if text]) or None


def _of_type(kind: str, parts: object) -> list[dict[str, Any]]:
    return [part for part in _objects(parts) if part.get("type") == kind]


def _objects(parts: object) -> list[dict[str, Any]]:
    if not isinstance(parts, list):
        return []
    return cast(
        "list[dict[str, Any]]",
        [part for part in cast("list[object]", parts) if isinstance(part, dict)],
    )


def _described(part: Mapping[str, Any]) -> str:
    kind = str(part.get("type") or "part")
    if kind in {"tool_call", "server_tool_call"}:
        server_call = _objects([part.get("server_tool_call")])
        given = (server_call[0] if server_call else part).get("arguments")
        arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        invalid = "invalid " if part.get("error") else ""
        return f"[{invalid}{kind.replace('_', ' ')} {part.get('name')}({arguments})]"
    if kind in {"tool_call_response", "server_tool_call_response"}:
        return _response_text(part.get("response", part.get("server_tool_call_response")))
    if kind == "reasoning":
        return str(part.get("content") or "")
    return _file_mark(part, kind)


def _response_text(response: object) -> str:
    """A tool's response; one of content blocks is the texts and files in them."""
    blocks = _objects(response)
    whole = isinstance(response, list) and len(blocks) == len(cast("list[object]", response))
    known = all(isinstance(block.get("text"), str) or "modality" in block for block in blocks)
    if blocks and whole and known:
        return "".join(str(block.get("text") or "") or _described(block) for block in blocks)
    return response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)


def _file_mark(part: Mapping[str, Any], kind: str) -> str:
    """A file in brackets: its type, and where it is or how large."""
    size = part.get("size")
    where = part.get("uri") or part.get("file_id") or (f"{size} bytes" if size else None)
    what = part.get("mime_type") or part.get("modality") or kind
    return f"[{what}, {where}]" if where else f"[{what}]"
