"""Chat messages as the GenAI conventions' message JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    ToolMessage,
)

from clearml_otel.langchain.messages import (
    message_text,
    output_message,
    prompt_message,
)
from clearml_otel.langchain.values import to_json
from support.message_json import input_messages

PIXELS = base64.b64encode(b"\x89PNG" * 50).decode()


def one(message: object) -> dict[str, Any]:
    (found,) = json.loads(to_json(input_messages([message])))
    return found


def parts(message: object) -> list[dict[str, Any]]:
    return one(message)["parts"]


@pytest.mark.parametrize(
    ("message", "role"),
    [
        (SystemMessage("x"), "system"),
        (HumanMessage("x"), "user"),
        (AIMessage("x"), "assistant"),
        (AIMessageChunk("x"), "assistant"),
        (HumanMessageChunk("x"), "user"),
        (ToolMessage("x", tool_call_id="c"), "tool"),
        (FunctionMessage(content="x", name="f"), "tool"),
        (ChatMessage(content="x", role="critic"), "critic"),
        ("a bare text", "user"),
        ({"role": "user"}, "user"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseMessage) else None,
)
def test_roles(message: object, role: str) -> None:
    assert one(message)["role"] == role


def test_text() -> None:
    assert parts(HumanMessage("hi")) == [{"type": "text", "content": "hi"}]
    assert parts(HumanMessage("")) == []
    assert prompt_message("p") == {"role": "user", "parts": [{"type": "text", "content": "p"}]}


def test_names_are_kept() -> None:
    assert one(HumanMessage("hi", name="Ann"))["name"] == "Ann"


def test_text_blocks_of_every_spelling() -> None:
    blocks: list[Any] = [
        "bare",
        {"type": "text", "text": "a"},
        {"type": "input_text", "text": "b"},
        {"type": "output_text", "text": "c"},
        {"text": "bedrock"},
    ]
    texts = [part["content"] for part in parts(HumanMessage(blocks))]
    assert texts == ["bare", "a", "b", "c", "bedrock"]
    assert message_text(HumanMessage(blocks)) == "bareabcbedrock"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "reasoning", "reasoning": "hmm"},
        {"type": "thinking", "thinking": "hmm", "signature": "s"},
    ],
)
def test_reasoning_is_no_answer(block: dict[str, Any]) -> None:
    message = AIMessage([block, {"type": "text", "text": "42"}])
    assert parts(message) == [
        {"type": "reasoning", "content": "hmm"},
        {"type": "text", "content": "42"},
    ]
    assert message_text(message) == "42"


def test_tool_calls_are_told_once() -> None:
    call = {"name": "search", "args": {"q": "x"}, "id": "call_1", "type": "tool_call"}
    told = [{"type": "tool_call", "name": "search", "arguments": {"q": "x"}, "id": "call_1"}]
    assert parts(AIMessage("", tool_calls=[call])) == told
    anthropic = [{"type": "tool_use", "name": "search", "input": {"q": "x"}, "id": "call_1"}]
    assert parts(AIMessage(anthropic, tool_calls=[call])) == told


def test_invalid_tool_calls_are_told() -> None:
    call = {
        "name": "f",
        "args": "{not json",
        "id": "c",
        "error": "bad",
        "type": "invalid_tool_call",
    }
    (part,) = parts(AIMessage("", invalid_tool_calls=[call]))
    assert part == {
        "type": "tool_call",
        "name": "f",
        "arguments": "{not json",
        "id": "c",
        "error": "bad",
    }


def test_secrets_in_tool_arguments_are_hidden() -> None:
    call = {"name": "login", "args": {"user": "u", "password": "hunter2"}, "id": "c"}
    assert "hunter2" not in to_json(input_messages([AIMessage("", tool_calls=[call])]))


def test_tool_responses() -> None:
    assert parts(ToolMessage("42", tool_call_id="call_1")) == [
        {"type": "tool_call_response", "response": "42", "id": "call_1"}
    ]
    blocks = [{"type": "text", "text": "42"}]
    (part,) = parts(ToolMessage(blocks, tool_call_id="call_1"))
    assert part["response"] == blocks


def test_the_text_of_a_tools_message_is_its_response() -> None:
    assert message_text(ToolMessage("42", tool_call_id="c")) == "42"
    assert message_text(FunctionMessage(content="42", name="f")) == "42"


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://host/cat.png"}},
            {"type": "uri", "modality": "image", "uri": "https://host/cat.png"},
        ),
        (
            {"type": "image_url", "image_url": "https://host/cat.png"},
            {"type": "uri", "modality": "image", "uri": "https://host/cat.png"},
        ),
        (
            {"type": "image", "url": "https://host/cat.png", "mime_type": "image/png"},
            {
                "type": "uri",
                "modality": "image",
                "uri": "https://host/cat.png",
                "mime_type": "image/png",
            },
        ),
        (
            {"type": "file", "file_id": "file-1"},
            {"type": "file", "modality": "file", "file_id": "file-1"},
        ),
    ],
    ids=["openai", "bare-url", "standard", "file-id"],
)
def test_media_by_reference(block: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert parts(HumanMessage([block])) == [wanted]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXELS}"}},
        {"type": "image", "base64": PIXELS, "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": PIXELS, "mime_type": "image/png"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXELS},
        },
        {"type": "image", "source": {"bytes": b"\x89PNG" * 50}, "mime_type": "image/png"},
        {"type": "input_audio", "input_audio": {"data": PIXELS, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:image/png;base64,{PIXELS}"}},
    ],
    ids=["data-url", "standard", "v0.3", "anthropic", "bedrock", "audio", "openai-file"],
)
def test_media_bytes_stay_out_and_their_size_is_told(block: dict[str, Any]) -> None:
    text = to_json(input_messages([HumanMessage([block])]))
    assert PIXELS[:40] not in text
    (part,) = json.loads(text)[0]["parts"]
    assert part["type"] == "blob"
    assert part["size"] > 0


def test_the_media_type_is_told_wherever_it_stands() -> None:
    anthropic = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXELS},
    }
    (part,) = parts(HumanMessage([anthropic]))
    assert part["mime_type"] == "image/png"


def test_credentials_in_media_urls_are_hidden() -> None:
    block = {"type": "image_url", "image_url": {"url": "https://user:hunter2@host/cat.png"}}
    assert "hunter2" not in to_json(input_messages([HumanMessage([block])]))


def test_a_chat_of_eighty_messages_is_whole() -> None:
    chat = [HumanMessage(f"q{number}") for number in range(80)]
    told = json.loads(to_json(input_messages(chat)))
    assert [message["parts"][0]["content"] for message in told] == [f"q{n}" for n in range(80)]


def test_output_messages() -> None:
    assert output_message("text", None, "stop") == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "text"}],
        "finish_reason": "stop",
    }
    assert output_message("ignored", AIMessage("said"), None) == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "said"}],
    }


def test_lone_surrogates_are_replaced() -> None:
    messages = [
        HumanMessage("a\ud800", name="n\ud800"),
        ToolMessage("r\ud800", tool_call_id="c\ud800"),
        ChatMessage(content="x", role="r\ud800"),
        AIMessage("", tool_calls=[{"name": "f\ud800", "args": {"k\ud800": 1}, "id": "i\ud800"}]),
        HumanMessage([{"type": "image_url\ud800", "image_url": {"url": "u\ud800"}}]),
    ]
    to_json(input_messages(messages)).encode("utf-8")
