"""Every message is valid by the GenAI conventions' schemas, and no block of a provider is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from clearml_otel import attributes as names
from clearml_otel.langchain.messages import output_message
from clearml_otel.langchain.values import plain_json
from support.examples import examples
from support.genai_schema import messages_validator
from support.langchain_apps import PIXELS, PIXELS_SIZE, ScriptedAgentModel
from support.message_json import input_messages
from support.traced import Traced


def valid(messages: list[Any], *, capture_bytes: bool = False) -> list[Any]:
    text = plain_json(input_messages(messages, capture_bytes=capture_bytes))
    told = json.loads(text)
    messages_validator.validate(told)
    return told


def parts(*blocks: Any, **keywords: Any) -> list[Any]:
    return valid([AIMessage(list(blocks), **keywords)])[0]["parts"]


CALL = {"name": "search", "args": {"q": "x"}, "id": "c1", "type": "tool_call"}
IMAGE_PART = {
    "type": "blob",
    "modality": "image",
    "mime_type": "image/png",
    "size": PIXELS_SIZE,
}


def without_hash(found: dict[str, Any]) -> dict[str, Any]:
    assert found["hash"].startswith("sha256:")
    return {key: item for key, item in found.items() if key != "hash"}


@pytest.mark.parametrize(
    "wrong",
    [
        [{"parts": []}],
        [{"role": "user", "parts": [{"type": "text"}]}],
        [{"role": "user", "parts": [{"type": "blob", "modality": "image"}]}],
        [{"role": "user", "parts": [{"type": "server_tool_call", "name": "n"}]}],
        [{"role": "user", "parts": [{"type": "file", "file_id": "f"}]}],
    ],
)
def test_the_schema_refuses_what_is_wrong(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        messages_validator.validate(wrong)


@pytest.mark.parametrize(
    "message",
    [
        SystemMessage("be short"),
        SystemMessage([{"type": "text", "text": "be short"}]),
        HumanMessage("hi", name="Ann"),
        HumanMessage(""),
        AIMessage("a", tool_calls=[CALL]),
        AIMessage("", invalid_tool_calls=[{"name": None, "args": "{", "id": None, "error": None}]),
        AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": '{"a": 1}'}}),
        AIMessageChunk("", tool_call_chunks=[{"name": "f", "args": '{"a"', "id": "i", "index": 0}]),
        ToolMessage("42", tool_call_id="c1"),
        ToolMessage(
            [{"type": "text", "text": "a"}, {"type": "image", "base64": PIXELS}], tool_call_id="c"
        ),
        FunctionMessage(content="42", name="f"),
        ChatMessage(content="x", role="critic"),
        RemoveMessage(id="1"),
        ("human", "hi"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "i", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "i", "content": "42"},
        "bare",
        7,
    ],
    ids=lambda message: repr(message)[:60],
)
def test_messages_of_every_type(message: Any) -> None:
    valid([message])


def test_openai_dictionaries_are_read() -> None:
    call = {"id": "i", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    chat = [
        {"role": "developer", "content": "be short"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "i", "content": "42"},
    ]
    assert valid(chat) == [
        {"role": "system", "parts": [{"type": "text", "content": "be short"}]},
        {"role": "user", "parts": [{"type": "text", "content": "hi"}], "name": "Ann"},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "name": "f", "arguments": {"a": 1}, "id": "i"}],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "response": "42", "id": "i"}],
        },
    ]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "thinking", "thinking": "hm", "signature": "x" * 700},
        {"type": "reasoning_content", "reasoning_content": {"text": "hm", "signature": "s"}},
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"text": "hm", "thought": True},
        {"type": "non_standard", "value": {"type": "thinking", "thinking": "hm"}},
    ],
    ids=["standard", "openai", "open-weights", "anthropic", "converse", "bedrock", "google", "v1"],
)
def test_reasoning_of_every_provider(block: dict[str, Any]) -> None:
    assert parts(block) == [{"type": "reasoning", "content": "hm"}]


@pytest.mark.parametrize(
    "beside",
    [{"reasoning_content": "hm"}, {"reasoning": {"summary": [{"text": "hm"}]}}],
    ids=["deepseek", "openai"],
)
def test_reasoning_beside_the_content(beside: dict[str, Any]) -> None:
    (message,) = valid([AIMessage("a", additional_kwargs=beside)])
    assert message["parts"] == [
        {"type": "reasoning", "content": "hm"},
        {"type": "text", "content": "a"},
    ]


def test_what_a_model_keeps_secret_of_its_reasoning_is_left_out() -> None:
    assert parts({"type": "redacted_thinking", "data": "x" * 900}) == []
    assert parts({"type": "reasoning", "summary": [], "encrypted_content": "x" * 900}) == []


def test_refusals_are_texts() -> None:
    assert parts({"type": "refusal", "refusal": "No."}) == [{"type": "text", "content": "No."}]
    (message,) = valid([AIMessage("", additional_kwargs={"refusal": "No."})])
    assert message["parts"] == [{"type": "text", "content": "No."}]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "server_tool_call", "name": "web_search", "args": {"q": "x"}, "id": "s1"},
        {"type": "server_tool_use", "name": "web_search", "input": {"q": "x"}, "id": "s1"},
        {"type": "web_search_call", "action": {"q": "x"}, "id": "s1"},
        {"type": "mcp_call", "name": "web_search", "arguments": '{"q": "x"}', "id": "s1"},
    ],
    ids=["standard", "anthropic", "openai", "mcp"],
)
def test_tools_that_the_provider_runs(block: dict[str, Any]) -> None:
    assert parts(block) == [
        {
            "type": "server_tool_call",
            "name": "web_search",
            "id": "s1",
            "server_tool_call": {"type": "web_search", "arguments": {"q": "x"}},
        }
    ]


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (
            {"type": "server_tool_result", "tool_call_id": "s1", "status": "success", "output": 1},
            "server_tool_result",
        ),
        (
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "u"}]},
            "web_search_tool_result",
        ),
    ],
    ids=["standard", "anthropic"],
)
def test_results_of_tools_that_the_provider_runs(block: dict[str, Any], kind: str) -> None:
    (part,) = parts(block)
    assert (part["type"], part["id"]) == ("server_tool_call_response", "s1")
    assert part["server_tool_call_response"]["type"] == kind


def test_an_image_that_the_provider_made_is_told_by_reference() -> None:
    call = {"type": "image_generation_call", "id": "g", "result": PIXELS, "output_format": "png"}
    asked, image = parts(call)
    assert (asked["type"], asked["name"]) == ("server_tool_call", "image_generation")
    assert without_hash(image) == IMAGE_PART


def test_citations_are_left_out() -> None:
    text = {"type": "text", "text": "a", "annotations": [{"type": "citation", "url": "u"}]}
    assert parts(text, {"type": "citation", "url": "u"}) == [{"type": "text", "content": "a"}]


def test_tool_calls_in_blocks_alone_are_told() -> None:
    message = HumanMessage([{"type": "tool_result", "tool_use_id": "c", "content": "42"}])
    assert valid([message])[0]["parts"] == [
        {"type": "tool_call_response", "response": "42", "id": "c"}
    ]
    said = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}],
    }
    assert valid([said])[0]["parts"] == [
        {"type": "tool_call", "name": "f", "arguments": {}, "id": "c"}
    ]


def test_unknown_blocks_keep_what_they_say() -> None:
    assert parts({"type": "hologram", "depth": 3, "frame": PIXELS}) == [
        {"type": "hologram", "depth": 3, "frame": f"<base64 of {PIXELS_SIZE} bytes>"}
    ]


def test_spoken_answers() -> None:
    audio = {"id": "a", "data": PIXELS, "transcript": "Hello."}
    (message,) = valid([AIMessage("", additional_kwargs={"audio": audio})])
    blob, text = message["parts"]
    assert (blob["modality"], blob["size"], blob["transcript"]) == ("audio", PIXELS_SIZE, "Hello.")
    assert text == {"type": "text", "content": "Hello."}


def test_an_output_message_is_valid() -> None:
    messages_validator.validate([output_message("a", None, None)])
    messages_validator.validate(
        [output_message("", AIMessage("", tool_calls=[CALL]), "tool_calls")]
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
KINDS = [
    "text", "refusal", "reasoning", "thinking", "redacted_thinking", "tool_use", "tool_call",
    "tool_result", "server_tool_call", "web_search_call", "x_tool_result", "image", "image_url",
    "input_audio", "file", "document", "media", "text-plain", "non_standard", "citation", "other",
]  # fmt: skip
KEYS = [
    "text", "reasoning", "thinking", "summary", "source", "image_url", "url", "data", "base64",
    "file", "file_id", "file_data", "mime_type", "format", "id", "name", "args", "input",
    "content", "value", "function", "error", "output", "transcript", "title", "source_type",
]  # fmt: skip
blocks = st.builds(
    lambda kind, fields: fields | kind,
    st.fixed_dictionaries({}, optional={"type": st.sampled_from(KINDS) | json_values}),
    st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4),
)


@given(st.lists(blocks | st.text(max_size=9), max_size=4), st.booleans())
@examples(400)
def test_blocks_of_any_shape_are_valid_parts(content: list[Any], capture_bytes: bool) -> None:
    made: list[BaseMessage] = [
        HumanMessage.model_construct(
            content=content, additional_kwargs={}, type="human", name=None
        ),
        ToolMessage.model_construct(content=content, additional_kwargs={}, type="tool", name=None),
    ]
    valid([*made, {"role": "user", "content": content}], capture_bytes=capture_bytes)


def test_a_real_runs_messages_are_valid(tracing: Traced) -> None:
    question = HumanMessage(
        [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXELS}"}},
        ]
    )
    answer = AIMessage(
        [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "A bear."}]
    )
    ScriptedAgentModel(script=[answer]).invoke([SystemMessage("Look."), question], tracing.config)
    found = tracing.one().attributes
    for key in (names.INPUT_MESSAGES, names.OUTPUT_MESSAGES):
        messages_validator.validate(json.loads(str(found[key])))
    assert PIXELS[:60] not in repr(found)
    start, end = tracing.tables.records
    assert start["prompts"] == (
        f"System: Look.\nHuman: What is it? [image/png, {PIXELS_SIZE} bytes]"
    )
    assert (end["text"], end["reasoning"]) == ("A bear.", "hm")
