"""LangGraph's pauses and resumptions, and protocol events of streams."""

from __future__ import annotations

import json
from typing import Any, TypedDict

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from clearml_otel import attributes as names
from support.run_names import run_name
from support.traced import Traced, nothing_left_behind, traced


class State(TypedDict):
    text: str


def asking_graph() -> Any:
    def ask(state: State) -> State:
        return {"text": interrupt({"question": f"send {state['text']}?"})}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=InMemorySaver())


def points(made: Traced, event: str) -> list[tuple[str, Any]]:
    return [
        (run_name(record), each.attributes)
        for record in made.records
        for each in record.events
        if each.name == event
    ]


def test_a_pause_is_noted_once_and_is_no_error() -> None:
    made = traced()
    config = {**made.config, "configurable": {"thread_id": "7"}}
    graph = asking_graph()
    with nothing_left_behind(made.handler):
        graph.invoke({"text": "mail"}, config)
    ((where, told),) = points(made, names.EVENT_INTERRUPT)
    assert where == "ask"
    assert json.loads(str(told[names.EVENT_INTERRUPT_VALUE])) == {"question": "send mail?"}
    assert made.named("ask").attributes[names.INTERRUPTED] is True
    assert not any(names.ERROR_TYPE in record.attributes for record in made.records)


def test_a_resumption_says_with_what() -> None:
    made = traced()
    config = {**made.config, "configurable": {"thread_id": "7"}}
    graph = asking_graph()
    graph.invoke({"text": "mail"}, config)
    made.exporter.clear()
    assert graph.invoke(Command(resume="yes, please"), config) == {"text": "yes, please"}
    ((where, told),) = points(made, names.EVENT_RESUME)
    assert where == "LangGraph"
    assert told[names.EVENT_RESUME_VALUE] == "yes, please"


def test_protocol_events_count_as_tokens_once() -> None:
    # this model reports its pieces in both ways
    model = GenericFakeChatModel(messages=iter([AIMessage("hello big world")]))
    made = traced()
    with nothing_left_behind(made.handler):
        stream = model.stream_events("hi", made.config, version="v3")
        assert stream.output.text == "hello big world"
    record = made.one()
    assert record.attributes[names.STREAM_TOKENS] == 5
    assert float(str(record.attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK])) > 0
