"""GenAI message JSON (``gen_ai.input.messages``, ``gen_ai.output.messages``) as text.

Format: the GenAI semantic conventions' message schemas: ``[{"role", "parts": [...]}, ...]``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

_SPEAKERS: Final[Mapping[str, str]] = {
    "system": "System",
    "user": "Human",
    "assistant": "AI",
    "tool": "Tool",
}


class Said(NamedTuple):
    """What a model answered: its text, the tools that it asks for, and what it thought before.

    ``tool_calls`` is a JSON array, each call with ``name``, ``arguments`` and ``id``, and
    ``error`` where its arguments could not be read. Each is None where there is none.
    """

    text: str | None
    tool_calls: str | None = None
    reasoning: str | None = None


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
        text = _described_text(fields.get("parts"))
        role = str(fields.get("role") or "")
        lines.append(f"{_SPEAKERS.get(role, role)}: {text}" if chat else text)
    return "\n".join(lines) if lines else None


def _described_text(parts: object) -> str:
    """The text parts of a message, joined; what else it holds is named in brackets."""
    if not isinstance(parts, list):
        return ""
    said = ""
    after_text = True
    for each in cast("list[object]", parts):
        if not isinstance(each, dict):
            continue
        part = cast("dict[str, Any]", each)
        is_text = part.get("type") == "text"
        text = str(part.get("content") or "") if is_text else _described(part)
        # texts go on as they stand; what is in brackets stands apart
        apart = text and said and not (is_text and after_text) and not said[-1].isspace()
        said = f"{said} {text}" if apart else said + text
        after_text = is_text
    return said


def said_in(parts: object) -> Said:
    """What the ``parts`` of a model's message say; what is no list of parts says nothing."""
    if not isinstance(parts, list):
        return Said(None)
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for each in cast("list[object]", parts):
        if not isinstance(each, dict):
            continue
        part = cast("dict[str, Any]", each)
        kind = part.get("type")
        if kind == "text":
            texts.append(str(part.get("content") or ""))
        elif kind == "reasoning":
            thoughts.append(str(part.get("content") or ""))
        elif kind == "tool_call":
            calls.append(_tool_call(part))
    if not (calls or thoughts):
        return Said("".join(texts))
    return Said(
        "".join(texts),
        json.dumps(calls, ensure_ascii=False) if calls else None,
        "\n".join([text for text in thoughts if text]) or None,
    )


def _tool_call(part: Mapping[str, Any]) -> dict[str, Any]:
    call = {key: part.get(key) for key in ("name", "arguments", "id")}
    return {**call, "error": part["error"]} if part.get("error") else call


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
