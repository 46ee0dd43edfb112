"""Message JSON as the text of the `prompts` and `text` columns."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    get_buffer_string,
)

from clearml_otel.conventions.messages import Said, prompt_text, said_in
from support.message_json import input_messages


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


def test_a_completions_prompt_stands_alone() -> None:
    messages = [{"role": "user", "parts": [text("Tell me a joke")]}]
    assert prompt_text(messages, chat=False) == "Tell me a joke"


def test_a_chat_is_what_langchain_prints_of_it() -> None:
    chat: list[BaseMessage] = [
        SystemMessage("be short"),
        HumanMessage("why?"),
        AIMessage("because"),
        HumanMessage("no, why?"),
    ]
    assert prompt_text(input_messages(chat), chat=True) == get_buffer_string(chat)


@pytest.mark.parametrize(
    ("messages", "wanted"),
    [
        (None, None),
        ([], None),
        (3, None),
        ({}, None),
        ("cut off [{", "cut off [{"),
        ([3, None, "x"], None),
        ([{"role": "user"}], "Human: "),
        ([{"parts": [text("a")]}], ": a"),
        ([{"role": "critic", "parts": [text("a"), text("b")]}], "critic: ab"),
        ([{"role": "user", "parts": "x"}], "Human: "),
        ([{"role": "user", "parts": [{"type": "text"}]}], "Human: "),
        (
            [{"role": "tool", "parts": [{"type": "tool_call_response", "response": "42"}]}],
            "Tool: 42",
        ),
        (
            [{"role": "tool", "parts": [{"type": "tool_call_response", "response": {"a": 1}}]}],
            'Tool: {"a": 1}',
        ),
        (
            [
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "name": "f", "arguments": {"é": 1}}],
                }
            ],
            'AI: [tool call f({"é": 1})]',
        ),
        (
            [{"role": "user", "parts": [{"type": "blob", "mime_type": "image/png"}]}],
            "Human: [image/png]",
        ),
        ([{"role": "user", "parts": [{"type": "uri", "modality": "image"}]}], "Human: [image]"),
        ([{"role": "user", "parts": [{}]}], "Human: [part]"),
        ([{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}]}], "AI: hm"),
    ],
    ids=repr,
)
def test_prompts_of_any_shape(messages: object, wanted: str | None) -> None:
    assert prompt_text(messages, chat=True) == wanted


def test_an_answer_is_its_text_its_thoughts_and_its_calls() -> None:
    parts = [
        text("a"),
        {"type": "reasoning", "content": "hm"},
        {"type": "tool_call", "name": "f", "arguments": {"é": 1}, "id": "1"},
        {"type": "tool_call", "name": "f", "arguments": "{", "error": "no JSON"},
        {"type": "reasoning"},
        {"type": "reasoning", "content": "so"},
        "no part",
        text("b"),
    ]
    calls = (
        '[{"name": "f", "arguments": {"é": 1}, "id": "1"}, '
        '{"name": "f", "arguments": "{", "id": null, "error": "no JSON"}]'
    )
    assert said_in(parts) == Said("ab", calls, "hm\nso")


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (None, Said(None)),
        ("text", Said(None)),
        ([], Said("")),
        ([text("a"), text("")], Said("a")),
        ([{"type": "reasoning"}], Said("")),
    ],
    ids=repr,
)
def test_answers_that_say_little(parts: object, wanted: Said) -> None:
    assert said_in(parts) == wanted
