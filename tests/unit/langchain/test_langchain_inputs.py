"""Every shape of a chain's, tool's and retriever's input and output, as one text."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langgraph.types import Command, Send
from pydantic import BaseModel

from clearml_otel.langchain import inputs
from clearml_otel.langchain.documents import documents_json
from clearml_otel.langchain.inputs import chain_input, chain_output
from clearml_otel.langchain.tool_results import tool_artifact, tool_output
from support.examples import examples
from support.traced import traced


def tool_input(input_str: object, inputs: object) -> str | None:
    """As the tables show it."""
    made = traced()
    run_id = uuid4()
    made.handler.on_tool_start({}, input_str, inputs=inputs, run_id=run_id)  # type: ignore[arg-type]
    made.handler.on_tool_end("done", run_id=run_id)
    cell = made.tables.records[0]["input_str"]
    return cell if cell is None else str(cell)


class Answer(BaseModel):
    verdict: str
    score: float


TOOL_CALL = {"name": "search", "args": {"q": "x"}, "id": "call_1", "type": "tool_call"}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("question", "question"),
        ("", ""),
        ({"input": "question"}, "question"),
        ({"question": "q", "chat_history": []}, "q"),
        ({"query": "q"}, "q"),
        ({"human_input": "h", "history": "long"}, "h"),
        ({"topic": "bears"}, "bears"),
        ({"a": 1, "b": "two"}, '{"a":1,"b":"two"}'),
        ({"input": None, "question": "q"}, "q"),
        ({"input": {"question": "inner"}}, "inner"),
        ({}, "{}"),
        (None, "null"),
        (3, "3"),
        (1.5, "1.5"),
        ([1, 2], "[1,2]"),
        ([], "[]"),
        (HumanMessage("hi"), "hi"),
        ([SystemMessage("be short"), HumanMessage("hi")], "hi"),
        ({"messages": [HumanMessage("first"), HumanMessage("second")]}, "second"),
        ({"messages": []}, "[]"),
        ({"messages": [("user", "hi")]}, "hi"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "hi"),
        ({"messages": [{"role": "user"}]}, '[{"role":"user"}]'),
        (StringPromptValue(text="the prompt"), "the prompt"),
        (ChatPromptValue(messages=[HumanMessage("hi")]), "Human: hi"),
        ({"input": "q", "agent_scratchpad": [AIMessage("a")]}, "q"),
    ],
    ids=repr,
)
def test_chain_input(value: object, wanted: str) -> None:
    assert chain_input(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("answer", "answer"),
        ({"output": "answer"}, "answer"),
        ({"output": "answer", "intermediate_steps": [1]}, "answer"),
        ({"input": "q", "text": "t"}, "t"),
        ({"result": "r", "source_documents": []}, "r"),
        ({"answer": "a", "context": [Document("d")]}, "a"),
        (AIMessage("said"), "said"),
        (AIMessageChunk("said"), "said"),
        (AIMessage([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab"),
        ({"messages": [HumanMessage("q"), AIMessage("a")]}, "a"),
        ([HumanMessage("q"), AIMessage("a")], "a"),
        (AgentFinish({"output": "done"}, "log"), "done"),
        (AgentFinish({"answer": "done"}, "log"), "done"),
        (Answer(verdict="good", score=0.5), '{"verdict":"good","score":0.5}'),
        ({"model": {"messages": [AIMessage("a")]}}, "a"),
        (True, "true"),
        (None, "null"),
        ({"messages": [AIMessage("q"), ToolMessage("42", tool_call_id="c")]}, "42"),
        ([ToolMessage("42", tool_call_id="c")], "42"),
    ],
    ids=repr,
)
def test_chain_output(value: object, wanted: str) -> None:
    assert chain_output(value) == wanted


def test_a_message_of_tool_calls_only_still_says_what_it_is() -> None:
    said = chain_output(AIMessage("", tool_calls=[TOOL_CALL]))
    assert said == '[tool call search({"q": "x"})]'


def test_an_agents_action_as_output() -> None:
    said = json.loads(chain_output(AgentAction("search", "q", "log")))
    assert (said["tool"], said["tool_input"], said["log"]) == ("search", "q", "log")


def test_cyclic_inputs_end() -> None:
    cyclic: dict[str, Any] = {}
    cyclic["input"] = cyclic
    assert chain_input(cyclic)
    assert chain_output({"output": cyclic})


def test_deep_inputs_end() -> None:
    deep: Any = "question"
    for _ in range(5_000):
        deep = {"input": deep}
    assert chain_input(deep)


def test_a_mapping_that_raises_costs_nothing() -> None:
    class Closed(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError("closed")

    assert chain_input(Closed(a=1, b=2))
    assert chain_output({"output": Closed(a=1, b=2)})


def test_lone_surrogates_are_replaced() -> None:
    for render in (chain_input, chain_output, tool_output, documents_json):
        render({"input": "a\ud800"}).encode("utf-8")
        render("a\ud800").encode("utf-8")


# -- tools -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("input_str", "inputs", "wanted"),
    [
        ("query", None, "query"),
        ("query", {}, "query"),
        ("{'q': 'bears'}", {"q": "bears"}, "bears"),
        ("{'a': 1, 'b': 2}", {"a": 1, "b": 2}, '{"a":1,"b":2}'),
        ("{'n': 3}", {"n": 3}, "3"),
        ("{'words': ['a']}", {"words": ["a"]}, '["a"]'),
    ],
    ids=repr,
)
def test_tool_input(input_str: str, inputs: object, wanted: str) -> None:
    assert tool_input(input_str, inputs) == wanted


def test_a_tools_only_argument_may_be_a_secret() -> None:
    assert "hunter2" not in str(tool_input("{'password': 'hunter2'}", {"password": "hunter2"}))
    assert "hunter2" not in chain_input({"api_key": "hunter2"})


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("42", "42"),
        (42, "42"),
        ({"a": 1}, '{"a":1}'),
        ({"a": 1, "b": 2}, '{"a":1,"b":2}'),
        ([1, 2], "[1,2]"),
        (None, "null"),
        (ToolMessage("42", tool_call_id="call_1"), "42"),
        (ToolMessage([{"type": "text", "text": "42"}], tool_call_id="call_1"), "42"),
        (FunctionMessage(content="42", name="f"), "42"),
        (AIMessage("42"), "42"),
    ],
    ids=repr,
)
def test_tool_output(value: object, wanted: str) -> None:
    assert tool_output(value) == wanted


# -- retrievers --------------------------------------------------------------------------


def test_documents() -> None:
    documents = [
        Document("first", id="d1", metadata={"source": "a.txt", "score": 0.5, "page": 3}),
        Document("second"),
        "a bare text",
    ]
    assert json.loads(documents_json(documents)) == [
        {"id": "d1", "content": "first", "source": "a.txt", "score": 0.5},
        {"content": "second"},
        {"content": "a bare text"},
    ]


@pytest.mark.parametrize("value", [[], (), None, 3, {"a": 1}, "a text"], ids=repr)
def test_documents_of_any_kind(value: object) -> None:
    assert json.loads(documents_json(value)) == (list(value) if value == () else value)


# -- any value ---------------------------------------------------------------------------

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.binary(max_size=9),
    st.builds(HumanMessage, st.text(max_size=9)),
    st.builds(SystemMessage, st.text(max_size=9)),
    st.builds(lambda: AIMessage("", tool_calls=[TOOL_CALL])),
    st.builds(lambda text: ToolMessage(text, tool_call_id="c"), st.text(max_size=9)),
    st.builds(Document, st.text(max_size=9)),
    st.builds(lambda text: AgentFinish({"output": text}, "log"), st.text(max_size=9)),
    st.builds(lambda: AgentAction("t", {"q": 1}, "log")),
    st.builds(lambda text: StringPromptValue(text=text), st.text(max_size=9)),
    st.builds(lambda text: Send("node", text), st.text(max_size=9)),
    st.builds(object),
)
KEYS = [
    "input", "messages", "output", "role", "type", "content", "parts", "tool_calls", "name",
    "data", "kwargs", "id", "raw", "parsed", "structured_response", "history", "any", "api_key",
]  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(st.sampled_from(["human", "user", "x"]), inner),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        st.builds(lambda update: Command(goto="x", update=update), inner),
    ),
    max_leaves=8,
)


@given(values)
@examples(500)
def test_any_value_has_a_text(value: Any) -> None:
    for render in (chain_input, chain_output, tool_output):
        text = render(value)
        assert isinstance(text, str)
        assert "object at 0x" not in text
        text.encode("utf-8")
    json.loads(documents_json(value))
    (tool_artifact(value) or "").encode("utf-8")


short = st.text() | st.dictionaries(
    st.sampled_from([*inputs._QUESTION.keys, *inputs._ANSWER.keys, *KEYS]), st.text(), max_size=2
)


@given(short)
@examples(300)
def test_the_short_way_to_a_text_says_the_same(value: Any) -> None:
    assert chain_input(value) == inputs._readable(value, inputs._QUESTION)
    assert chain_output(value) == inputs._readable(value, inputs._ANSWER)
