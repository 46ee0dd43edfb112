"""The GenAI conventions' message schemas, stricter than they are published.

Published are the same parts with any other object allowed beside them. Here a part whose ``type``
the convention knows must be what the convention says of it; only a ``blob`` may lack its
``content`` if it says its ``size``, which makes it one of the convention's generic parts.
"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

TEXT = {"type": "string"}
ANYTHING: dict[str, Any] = {}
OPTIONAL_TEXT = {"type": ["string", "null"]}
TYPED = {"type": "object", "required": ["type"], "properties": {"type": TEXT}}


def part(kind: str, required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "if": {"properties": {"type": {"const": kind}}},
        "then": {"required": list(required), "properties": {**required, **optional}},
    }


FILE = {"modality": TEXT}
MORE = {"mime_type": OPTIONAL_TEXT, "transcript": OPTIONAL_TEXT}
PART = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": TEXT},
    "allOf": [
        part("text", {"content": TEXT}),
        part("reasoning", {"content": TEXT}),
        part("tool_call", {"name": TEXT}, id=OPTIONAL_TEXT, arguments=ANYTHING),
        part("tool_call_response", {"response": ANYTHING}, id=OPTIONAL_TEXT),
        part("server_tool_call", {"name": TEXT, "server_tool_call": TYPED}, id=OPTIONAL_TEXT),
        part("server_tool_call_response", {"server_tool_call_response": TYPED}, id=OPTIONAL_TEXT),
        part("uri", FILE | {"uri": TEXT}, **MORE),
        part("file", FILE | {"file_id": TEXT}, **MORE),
        part("blob", FILE, content=TEXT, size={"type": "integer", "minimum": 0}, **MORE),
        {
            "if": {"properties": {"type": {"const": "blob"}}},
            "then": {"anyOf": [{"required": ["content"]}, {"required": ["size"]}]},
        },
        part("compaction", {}, id=OPTIONAL_TEXT, content=OPTIONAL_TEXT),
    ],
}
MESSAGES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["role", "parts"],
        "properties": {
            "role": TEXT,
            "parts": {"type": "array", "items": PART},
            "name": OPTIONAL_TEXT,
            "finish_reason": OPTIONAL_TEXT,
        },
    },
}
DOCUMENTS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"id": TEXT, "score": {"type": ["number", "null"]}},
    },
}

messages_validator = Draft202012Validator(MESSAGES)
documents_validator = Draft202012Validator(DOCUMENTS)
