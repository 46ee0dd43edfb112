"""Messages in the shapes of other conventions, providers and LangChain's dumps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clearml_otel.conventions.foreign_messages import content_of, has_roles, messages_of

HELLO = [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]
SHAPES: dict[str, Any] = {
    "GenAI": HELLO,
    "GenAI with nulls": [{**HELLO[0], "name": None}],
    "OpenAI": [{"role": "user", "content": "hello"}],
    "OpenAI content blocks": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
    "OpenAI request": {"model": "m", "messages": [{"role": "user", "content": "hello"}]},
    "OpenAI responses": {"input": [{"role": "user", "content": "hello"}]},
    "Gemini": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
    "LangChain constructor": {
        "messages": [
            [
                {
                    "lc": 1,
                    "type": "constructor",
                    "id": ["langchain", "schema", "messages", "HumanMessage"],
                    "kwargs": {"content": "hello", "type": "human"},
                }
            ]
        ]
    },
    "LangChain data": [{"type": "human", "data": {"content": "hello", "type": "human"}}],
    "LangChain plain": [{"type": "human", "content": "hello", "id": None}],
    "LangChain pair": {"messages": [["human", "hello"]]},
    "OpenInference": [
        {
            "message": {
                "role": "user",
                "contents": [{"message_content": {"type": "text", "text": "hello"}}],
            }
        }
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("as_json", [True, False], ids=["JSON", "structure"])
def test_a_question(shape: str, as_json: bool) -> None:
    value = json.dumps(SHAPES[shape]) if as_json else SHAPES[shape]
    assert messages_of(value, "user") == HELLO
    assert has_roles(value)


@pytest.mark.parametrize("value", ["hello", {"prompts": ["hello"]}], ids=repr)
def test_a_completions_prompt_has_no_role(value: object) -> None:
    assert messages_of(value, "user") == HELLO
    assert not has_roles(value)


@pytest.mark.parametrize(
    "value",
    [
        {"generations": [[{"text": "hi", "generation_info": {"finish_reason": "stop"}}]]},
        {"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]},
        {"choices": [{"text": "hi", "finish_reason": "stop", "index": 0}]},
        [{"completion": {"text": "hi"}, "finish_reason": "stop"}],
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_answer_and_why_it_ended(value: object) -> None:
    wanted = {"role": "assistant", "parts": [{"type": "text", "content": "hi"}]}
    assert messages_of(value, "assistant") == [{**wanted, "finish_reason": "stop"}]


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Oslo"}',
        '{"message": "hello"}',
        '{"message": {"a": 1}}',
        '["a", "b"]',
        '[{"name": "x"}]',
        "[1, 2]",
        "42",
        '{"role": "user"',
    ],
)
def test_an_answer_that_is_json_of_something_else_stays_text(text: str) -> None:
    (message,) = messages_of(text, "assistant") or []
    assert message["parts"] == [{"type": "text", "content": text}]


@pytest.mark.parametrize(
    "calls",
    [
        {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}]},
        {"tool_calls": [{"id": "1", "name": "f", "args": {"a": 1}, "type": "tool_call"}]},
        {
            "tool_calls": [
                {"tool_call": {"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}}
            ]
        },
        {"content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]},
        {"parts": [{"type": "tool_call", "id": "1", "name": "f", "arguments": '{"a": 1}'}]},
    ],
    ids=lambda calls: repr(calls)[:40],
)
def test_tool_calls(calls: dict[str, Any]) -> None:
    (message,) = messages_of([{"role": "assistant", **calls}], "assistant") or []
    assert message["parts"] == [
        {"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}}
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "out", "tool_call_id": "1"},
        {"type": "tool", "data": {"content": "out", "type": "tool", "tool_call_id": "1"}},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "out"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "result": "out"}]},
    ],
    ids=lambda message: repr(message)[:40],
)
def test_a_tools_answer(message: dict[str, Any]) -> None:
    (found,) = messages_of([message], "user") or []
    part = {"type": "tool_call_response", "id": "1", "response": "out"}
    assert found == {"role": "tool", "parts": [part]}


def test_media_are_told_without_their_bytes() -> None:
    block = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    (message,) = messages_of([{"role": "user", "content": ["see", block]}], "user") or []
    assert message["parts"] == [
        {"type": "text", "content": "see"},
        {"type": "image_url", "modality": "image"},
    ]


def test_redacted_and_empty_messages_are_none() -> None:
    assert messages_of("__REDACTED__", "user") is None
    assert messages_of([{"role": "user", "content": "__REDACTED__"}], "user") is None
    assert messages_of([{"role": "assistant", "content": ""}], "assistant") is None
    assert messages_of(None, "user") is None


def test_langfuse_tells_tools_as_if_they_had_spoken() -> None:
    definition = {"role": "tool", "content": {"type": "function", "function": {"name": "f"}}}
    asked = [{"role": "user", "content": "hello"}, definition]
    assert messages_of(asked, "user") == HELLO


def test_what_a_tool_gave() -> None:
    assert content_of('{"type": "tool", "data": {"content": "out", "type": "tool"}}') == "out"
    assert content_of('{"city": "Oslo"}') == '{"city": "Oslo"}'
    assert content_of("out") == "out"
    assert content_of(None) is None


def test_nesting_without_end_is_no_error() -> None:
    text = "[" * 900 + "]" * 900
    (message,) = messages_of(text, "user") or []
    assert message["parts"] == [{"type": "text", "content": text}]
    inner: Any = "hello"
    for _ in range(12):
        inner = json.dumps({"input": inner})
    (message,) = messages_of(inner, "user") or []
    assert message["parts"] == [{"type": "text", "content": inner}]
