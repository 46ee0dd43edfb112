"""Content blocks and tool calls as the parts of the GenAI conventions' messages.

Blocks may be LangChain's own (its standard blocks and those of before 1.0), OpenAI's,
Anthropic's, Google's or Bedrock's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from clearml_otel.langchain.media import Part, bytes_part, media_kind, media_mark, media_part
from clearml_otel.langchain.values import Json, clean_text, plain, to_text

_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
_REASONING: Final = frozenset(
    {"reasoning", "thinking", "reasoning_content", "thought", "redacted_thinking"}
)
_REASONING_KEYS: Final = (
    "reasoning",
    "thinking",
    "reasoning_content",
    "reasoningContent",
    "reasoningText",
    "thought",
    "text",
    "summary",
    "content",
)
_TOOL_CALLS: Final = frozenset(
    {"tool_call", "tool_use", "tool_call_chunk", "function_call", "invalid_tool_call"}
)
_SERVER_CALLS: Final = frozenset(
    {
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_use",
        "mcp_tool_use",
        "mcp_call",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "local_shell_call",
        "image_generation_call",
        "executable_code",
    }
)
_SERVER_RESULTS: Final = frozenset({"server_tool_result", "code_execution_result"})
_LEFT_OUT: Final = frozenset({"citation", "non_standard_annotation", "cachePoint"})
_ENVELOPE: Final = frozenset({"type", "id", "index", "extras", "caller", "result"})
_DEEPEST: Final = 4


def text_part(text: object) -> Part:
    """A text."""
    return {"type": "text", "content": to_text(text)}


def content_parts(
    content: object, *, calls_told: bool = False, capture_bytes: bool = False
) -> list[Json]:
    """A message's content, a text or a list of texts and blocks, as parts.

    Args:
        content: the content.
        calls_told: whether the message's own ``tool_calls`` say what its blocks of tool calls do.
        capture_bytes: whether files are kept with their bytes.
    """
    if isinstance(content, str):
        return [text_part(content)] if content else []
    if isinstance(content, Mapping):
        content = [cast("object", content)]
    if not isinstance(content, (list, tuple)):
        return [] if content is None else [text_part(content)]
    parts: list[Json] = []
    for block in cast("Sequence[object]", content):
        if isinstance(block, Mapping):
            fields = cast("Mapping[str, Any]", block)
            parts.extend(_block_parts(fields, calls_told, capture_bytes))
        elif block != "":
            parts.append(text_part(block))
    return parts


def tool_call_part(call: Mapping[str, Any]) -> Part:
    """A tool call that the model asks for, in LangChain's form or in a provider's.

    A call whose arguments could not be read keeps them as text, with an ``error``.
    """
    function = call.get("function")
    fields = cast("Mapping[str, Any]", function) if isinstance(function, Mapping) else call
    keys = ("args", "arguments", "input")
    arguments = next((fields[key] for key in keys if fields.get(key) is not None), None)
    part: Part = {
        "type": "tool_call",
        "name": to_text(fields.get("name") or ""),
        "arguments": plain(_parsed(arguments) if function is not None else arguments),
    }
    if call_id := call.get("id") or call.get("call_id"):
        part["id"] = to_text(call_id)
    if call.get("type") == "invalid_tool_call":
        part["error"] = to_text(call.get("error") or "arguments that cannot be read")
    return part


def tool_response_part(content: object, call_id: object, *, capture_bytes: bool = False) -> Part:
    """What a tool answered, its files by reference."""
    part: Part = {"type": "tool_call_response", "response": _response(content, capture_bytes)}
    if call_id:
        part["id"] = to_text(call_id)
    return part


def response_text(response: Json) -> str:
    """A tool's response; content blocks are read as the texts and files that they hold."""
    if isinstance(response, str):
        return response
    if isinstance(response, list) and response:
        blocks = [block for block in response if isinstance(block, dict)]
        texts = [_block_text(block) for block in blocks]
        if len(blocks) == len(response) and all(text is not None for text in texts):
            return "".join(text or "" for text in texts)
    return to_text(response)


def readable(parts: Iterable[Json]) -> str:
    """A message as a text: its texts and files, else the tool calls that are all it has."""
    said = ""
    calls: list[str] = []
    after_text = True
    for part in parts:
        if not isinstance(part, dict):
            continue
        kind = part["type"]
        if kind == "text":
            is_text, text = True, str(part["content"])
        elif kind == "tool_call_response":
            is_text, text = True, response_text(part["response"])
        elif "modality" in part:
            is_text, text = False, media_mark(part)
        else:
            if kind in {"tool_call", "server_tool_call"}:
                calls.append(_call_mark(part))
            continue
        apart = said and not (is_text and after_text) and not said[-1].isspace()
        said = f"{said} {text}" if apart else said + text
        after_text = is_text
    return said or " ".join(calls)


def _call_mark(part: Mapping[str, Json]) -> str:
    what = str(part["type"]).replace("_", " ")
    server_call = part.get("server_tool_call")
    fields = server_call if isinstance(server_call, dict) else part
    given = fields.get("arguments")
    # as the prompts column shows it
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return f"[{'invalid ' if 'error' in part else ''}{what} {part.get('name')}({arguments})]"


def _block_text(block: Mapping[str, Json]) -> str | None:
    if isinstance(block.get("text"), str):
        return str(block["text"])
    return media_mark(block) if "modality" in block else None


def _response(content: object, capture_bytes: bool) -> Json:
    if isinstance(content, str):
        return clean_text(content)
    if isinstance(content, (bytes, bytearray)):
        return [bytes_part(content)]
    if not isinstance(content, (list, tuple)):
        return plain(content)
    blocks = list(cast("Sequence[Any]", content))
    kinds = [
        media_kind(cast("Mapping[str, Any]", block)) if isinstance(block, Mapping) else None
        for block in blocks
    ]
    if not any(kinds):
        return plain(blocks)
    return [
        plain(block) if kind is None else media_part(kind, block, capture_bytes=capture_bytes)
        for block, kind in zip(blocks, kinds, strict=True)
    ]


def _object(fields: Mapping[str, Any]) -> dict[str, Json]:
    found = plain(fields)
    return found if isinstance(found, dict) else {}


def _parsed(arguments: object) -> object:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments


def _block_parts(
    block: Mapping[str, Any], calls_told: bool, capture_bytes: bool, depth: int = 0
) -> list[Json]:
    kind = str(block.get("type") or "")
    if kind in _TEXTS or (not kind and "text" in block):
        thought = block.get("thought") is True  # Google's
        text = block.get("text") or block.get("content") or ""
        return [*_reasoning(block)] if thought else [text_part(text)]
    if kind == "refusal":
        return [text_part(block.get("refusal") or "")]
    if kind in _REASONING or "reasoningContent" in block:
        return [*_reasoning(block)]
    if kind in _TOOL_CALLS:
        return [] if calls_told else [tool_call_part(block)]
    if kind == "tool_result":
        return [tool_response_part(block.get("content"), block.get("tool_use_id"))]
    if kind in _SERVER_CALLS:
        return _server_call(kind, block, capture_bytes)
    if kind in _SERVER_RESULTS or kind.endswith("_tool_result"):
        return [_server_result(kind, block)]
    if kind in _LEFT_OUT or (not kind and "cachePoint" in block):
        return []
    if kind == "non_standard" and isinstance(block.get("value"), Mapping) and depth < _DEEPEST:
        return _block_parts(block["value"], calls_told, capture_bytes, depth + 1)
    media = media_kind(block)
    if media is not None:
        return [media_part(media, block, capture_bytes=capture_bytes)]
    return [_object(block) | {"type": clean_text(kind, 200) or "other"}]


def _reasoning(block: Mapping[str, Any]) -> list[Part]:
    content = _reasoning_text(block, 0)
    return [{"type": "reasoning", "content": content}] if content else []


def _reasoning_text(value: object, depth: int) -> str:
    """Reasoning stands in a text, in an object around it, or in a list of summaries."""
    if isinstance(value, str):
        return clean_text(value)
    if depth >= _DEEPEST:
        return ""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        found = (fields[key] for key in _REASONING_KEYS if fields.get(key))
        texts = (_reasoning_text(item, depth + 1) for item in found)
        return next((text for text in texts if text), "")
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        texts = (_reasoning_text(item, depth + 1) for item in items)
        return "\n".join(text for text in texts if text)
    return ""


def _server_call(kind: str, block: Mapping[str, Any], capture_bytes: bool) -> list[Json]:
    name = to_text(block.get("name") or kind.removesuffix("_call"))
    details = {key: item for key, item in block.items() if key not in _ENVELOPE | {"name"}}
    keys = ("args", "input", "arguments", "action")
    arguments = next((details.pop(key) for key in keys if details.get(key) is not None), details)
    plainly = plain(
        {"arguments": _parsed(arguments)} | (details if arguments is not details else {})
    )
    call = (plainly if isinstance(plainly, dict) else {}) | {"type": name}
    part: Part = {"type": "server_tool_call", "name": name, "server_tool_call": call}
    if call_id := block.get("id") or block.get("call_id"):
        part["id"] = to_text(call_id)
    if kind == "image_generation_call" and isinstance(block.get("result"), str):
        image = {"data": block["result"], "format": block.get("output_format")}
        return [part, media_part("image", image, capture_bytes=capture_bytes)]
    return [part]


def _server_result(kind: str, block: Mapping[str, Any]) -> Part:
    details = plain(
        {key: item for key, item in block.items() if key not in {"type", "id", "index"}}
    )
    response = (details if isinstance(details, dict) else {}) | {"type": kind}
    part: Part = {"type": "server_tool_call_response", "server_tool_call_response": response}
    if call_id := block.get("tool_call_id") or block.get("tool_use_id") or block.get("id"):
        part["id"] = to_text(call_id)
    return part
