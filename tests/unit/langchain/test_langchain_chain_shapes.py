"""The question and the answer of real chains, agents and graphs, whatever their shapes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import operator
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, NamedTuple, TypedDict

import pandas as pd
import pydantic.v1
import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.load import dumpd
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    message_to_dict,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnablePassthrough
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

from clearml_otel import attributes as names
from clearml_otel.langchain.inputs import chain_output
from support.langchain_apps import PIXELS, PIXELS_SIZE, ScriptedAgentModel, Shelf, calls
from support.scripted_models import ScriptedChatModel
from support.task_contexts import in_tasks
from support.traced import Traced, traced


class Verdict(BaseModel):
    verdict: str
    score: float


class Question(BaseModel):
    question: str
    language: str = "en"


@dataclasses.dataclass
class State:
    messages: Annotated[list[AnyMessage], add_messages]
    language: str = "en"


class Pair(NamedTuple):
    left: Any
    right: int


class OldVerdict(pydantic.v1.BaseModel):
    verdict: str


class Opaque:
    pass


IMAGE = {"type": "image", "base64": PIXELS, "mime_type": "image/png"}


def cells(tracing: Traced, run_name: str) -> tuple[Any, Any]:
    """The `input` and `outputs` cells of the rows of one run."""
    found = tracing.named(run_name).attributes
    table = tracing.tables
    rows = [row for row in table.records if row["step"]]
    asked = [row["input"] for row in rows if row.get("name") == run_name and "input" in row]
    assert asked == [found[names.CHAIN_INPUT]]
    assert found.get(names.CHAIN_OUTPUT) in [row["outputs"] for row in rows if "outputs" in row]
    return asked[0], found.get(names.CHAIN_OUTPUT)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("hi", "hi"),
        (["a", 1], '["a",1]'),
        (("human", "hi"), "hi"),
        ([("system", "be short"), ("human", "hi")], "hi"),
        ([("human", "hi"), ("system", "be short")], "hi"),
        ([["user", "hi"]], "hi"),
        ([{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "hi"),
        ({"role": "user", "content": "hi"}, "hi"),
        ([{"role": "user", "parts": [{"text": "hi"}]}], "hi"),
        ([message_to_dict(HumanMessage("hi"))], "hi"),
        ([HumanMessage("hi").model_dump()], "hi"),
        ([dumpd(HumanMessage("hi"))], "hi"),
        ({"messages": [dumpd(HumanMessage("hi"))]}, "hi"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}]},
            f"see [image/png, {PIXELS_SIZE} bytes]",
        ),
        ([{"type": "text", "text": "see"}, IMAGE], f"see [image/png, {PIXELS_SIZE} bytes]"),
        ({"context": [Document("d")], "question": "q", "history": []}, "q"),
        ({"ask": "q", "history": [HumanMessage("before")]}, "q"),
        ({"topic": "bears", "style": "haiku"}, '{"topic":"bears","style":"haiku"}'),
        ({"who": AIMessage("a"), "n": 1}, '{"who":"AI: a","n":1}'),
        ({"input": "", "question": "q"}, "q"),
        ({"context": "only this"}, "only this"),
        (
            [{"name": "f", "args": {"q": 1}, "id": "i", "type": "tool_call"}],
            '[tool call f({"q": 1})]',
        ),
        (Question(question="q"), "q"),
        (State([HumanMessage("q")]), "q"),
        (ChatPromptTemplate.from_messages([("human", "hi")]).invoke({}), "Human: hi"),
        (PromptTemplate.from_template("hi").invoke({}), "hi"),
        ([Document("d", metadata={"source": "a.txt"})], '[{"content":"d","source":"a.txt"}]'),
        (Command(resume="yes"), "yes"),
        (Command(resume={"id": "yes"}), "yes"),
        (Send("joke", {"subject": "cats"}), "cats"),
        (7, "7"),
        (True, "true"),
        (b"bytes", "<5 bytes>"),
        ({"input": b"bytes"}, "<5 bytes>"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_questions(tracing: Traced, value: Any, wanted: str) -> None:
    RunnableLambda(lambda _: "done").with_config(run_name="whole").invoke(value, tracing.config)
    assert cells(tracing, "whole") == (wanted, "done")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a", "a"),
        (AIMessage("a"), "a"),
        ([HumanMessage("q"), AIMessage("a")], "a"),
        ({"messages": [HumanMessage("q"), AIMessage("a")], "language": "en"}, "a"),
        (calls("search", q="x"), '[tool call search({"q": "x"})]'),
        ({"messages": [calls("search", q="é")]}, '[tool call search({"q": "é"})]'),
        (
            AIMessage("", invalid_tool_calls=[{"name": "f", "args": "{", "id": "i", "error": "e"}]),
            "[invalid tool call f({)]",
        ),
        (AIMessage("so", tool_calls=calls("f").tool_calls), "so"),
        (AIMessage([{"type": "refusal", "refusal": "no"}]), "no"),
        (Verdict(verdict="good", score=0.5), '{"verdict":"good","score":0.5}'),
        (
            {
                "raw": AIMessage("{}"),
                "parsed": Verdict(verdict="good", score=1),
                "parsing_error": None,
            },
            '{"verdict":"good","score":1.0}',
        ),
        ({"raw": AIMessage("raw"), "parsed": None, "parsing_error": ValueError("x")}, "raw"),
        (
            {"messages": [AIMessage("a")], "structured_response": {"answer": 1, "why": "x"}},
            '{"answer":1,"why":"x"}',
        ),
        (AgentFinish({"output": "done"}, "log"), "done"),
        (
            AgentAction("search", "q", "log"),
            '{"tool":"search","tool_input":"q","log":"log"}',
        ),
        (
            [AgentAction("search", {"q": 1}, "log")],
            '[{"tool":"search","tool_input":{"q":1},"log":"log"}]',
        ),
        ({"question": "q", "documents": [Document("d")], "reply": "r"}, "r"),
        ({"input_documents": [], "output_text": "sum"}, "sum"),
        (Command(goto="next", update={"messages": [AIMessage("a")]}), "a"),
        (Command(update=[("messages", [AIMessage("a")])]), "a"),
        (Command(goto="next"), '{"goto":"next"}'),
        (Command(goto=[Send("n", 1)]), '{"goto":[{"node":"n","arg":1}]}'),
        (
            [Send("joke", {"s": "cats"}), Send("joke", {"s": "dogs"})],
            '[{"node":"joke","arg":{"s":"cats"}},{"node":"joke","arg":{"s":"dogs"}}]',
        ),
        (State([HumanMessage("q"), AIMessage("a")]), "a"),
        (Document("d"), "d"),
        (Pair(AIMessage("a"), 1), '{"left":"AI: a","right":1}'),
        (OldVerdict(verdict="good"), '{"verdict":"good"}'),
        (None, None),
        (1.5, "1.5"),
        ({"a": 1}, '{"a":1}'),
        ({"joke": "ha"}, "ha"),
        ({"jokes": ["ha"]}, '{"jokes":["ha"]}'),
        ([ToolMessage("42", tool_call_id="c")], "42"),
        ([SystemMessage("only")], "only"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_answers(tracing: Traced, value: Any, wanted: str | None) -> None:
    chain = RunnablePassthrough[Any]().with_config(run_name="whole")
    if isinstance(value, Command):
        chain = RunnableLambda(lambda _: value).with_config(run_name="whole")
    chain.invoke(value, tracing.config)
    assert cells(tracing, "whole")[1] == wanted


def test_an_answer_with_tables_in_it() -> None:
    """They cannot be compared with anything."""
    rows = pd.Series(["a"], index=["first"])
    for answer in (Command(update={"rows": rows}), {"rows": rows}):
        assert chain_output(answer).startswith('{"rows":"first    a')
    assert chain_output(Command(update=rows)).startswith("first    a")


@pytest.mark.parametrize(
    "value",
    [
        Opaque(),
        {"thing": Opaque(), "call": len, "method": Opaque().__init__},
        [Opaque(), lambda x: x],
        {"input": {"deep": [Opaque()], "also": 1}},
        Verdict.model_construct(verdict=Opaque(), score=lambda: 1),
    ],
    ids=["object", "functions", "list", "deep", "model"],
)
def test_no_addresses_of_objects(tracing: Traced, value: Any) -> None:
    RunnableLambda(lambda x: x).with_config(run_name="whole").invoke(value, tracing.config)
    assert "0x" not in "".join(map(str, cells(tracing, "whole")))


def test_with_message_history(tracing: Traced) -> None:
    kept: dict[str, InMemoryChatMessageHistory] = {}

    def history(session_id: str) -> InMemoryChatMessageHistory:
        return kept.setdefault(session_id, InMemoryChatMessageHistory())

    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("before"), ("human", "{ask}")])
    chain = RunnableWithMessageHistory(
        prompt | ScriptedChatModel(),
        history,
        input_messages_key="ask",
        history_messages_key="before",
    )
    config = {**tracing.config, "configurable": {"session_id": "s"}, "run_name": "whole"}
    chain.invoke({"ask": "one?"}, config)
    tracing.exporter.clear()
    chain.invoke({"ask": "two?"}, config)
    assert cells(tracing, "whole") == ("two?", "echo two?")
    (model,) = tracing.of_type("chat_model")
    prompts = [row["prompts"] for row in tracing.tables.records if "prompts" in row]
    assert prompts == ["Human: one?\nAI: echo one?\nHuman: two?"]
    assert model.attributes[names.OPERATION_NAME] == "chat"


def test_structured_output(tracing: Traced) -> None:
    model = ScriptedAgentModel(script=[calls("Verdict", verdict="good", score=0.5)])
    for raw in (False, True):
        chain = model.with_structured_output(Verdict, include_raw=raw)
        chain.with_config(run_name=f"whole {raw}").invoke("judge", tracing.config)
        answer = cells(tracing, f"whole {raw}")[1]
        assert json.loads(answer) == {"verdict": "good", "score": 0.5}


# -- streams -----------------------------------------------------------------------------


def shout(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        yield word.upper()


async def ashout(words: AsyncIterator[str]) -> AsyncIterator[str]:
    async for word in words:
        yield word.upper()


@pytest.mark.parametrize("how", ["stream", "astream", "transform"])
def test_chains_that_stream_are_told_their_input_at_the_end(tracing: Traced, how: str) -> None:
    prompt = ChatPromptTemplate.from_messages([("human", "{ask}")])
    chain = prompt | ScriptedChatModel() | StrOutputParser() | RunnableGenerator(shout, ashout)
    config = {**tracing.config, "run_name": "whole"}

    async def read() -> list[str]:
        return [chunk async for chunk in chain.astream({"ask": "why?"}, config)]

    if how == "astream":
        assert asyncio.run(read()) == ["ECHO WHY?"]
    elif how == "stream":
        assert list(chain.stream({"ask": "why?"}, config)) == ["ECHO WHY?"]
    else:
        assert list(chain.transform(iter([{"ask": "why?"}]), config)) == ["ECHO WHY?"]
    assert cells(tracing, "whole") == ("why?", "ECHO WHY?")
    assert cells(tracing, "StrOutputParser") == ("echo why?", "echo why?")


def test_a_stream_that_fails_tells_its_input_too(tracing: Traced) -> None:
    prompt = ChatPromptTemplate.from_messages([("human", "{ask}")])
    chain = prompt | ScriptedChatModel(fails_on=["why?"])
    with pytest.raises(ValueError, match="no answer"):
        list(chain.stream({"ask": "why?"}, {**tracing.config, "run_name": "whole"}))
    found = tracing.named("whole").attributes
    assert found[names.CHAIN_INPUT] == "why?"
    assert found[names.ERROR_TYPE] == "ValueError"


def test_a_late_input_is_content() -> None:
    made = traced(capture_content=False)
    list(RunnableGenerator(shout).stream("hidden", made.config))
    assert "hidden" not in repr(made.records).lower()


# -- agents and graphs -------------------------------------------------------------------


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@pytest.mark.parametrize("how", ["invoke", in_tasks("ainvoke"), "stream"])
def test_create_agent(tracing: Traced, how: str) -> None:
    model = ScriptedAgentModel(script=[calls("weather", city="Paris"), AIMessage("It is sunny.")])
    agent = create_agent(model, [weather])
    config = {**tracing.config, "run_name": "agent"}
    question = {"messages": [{"role": "user", "content": "Weather in Paris?"}]}
    if how == "ainvoke":
        asyncio.run(agent.ainvoke(question, config))
    elif how == "stream":
        list(agent.stream(question, config))
    else:
        agent.invoke(question, config)
    asked, answered = cells(tracing, "agent")
    assert (asked, answered) == ("Weather in Paris?", "It is sunny.")
    rows = tracing.tables.records
    (call, _) = [row for row in rows if row["action"] == "on_llm_end"]
    assert json.loads(str(call["tool_calls"])) == [
        {"name": "weather", "arguments": {"city": "Paris"}, "id": "call_1"}
    ]
    assert [row["output"] for row in rows if row["action"] == "on_tool_end"] == ["sunny in Paris"]


def test_an_agent_with_structured_output(tracing: Traced) -> None:
    model = ScriptedAgentModel(script=[calls("Verdict", verdict="good", score=0.5)])
    agent = create_agent(model, [weather], response_format=ToolStrategy(Verdict))
    agent.invoke({"messages": [("human", "judge")]}, {**tracing.config, "run_name": "agent"})
    asked, answered = cells(tracing, "agent")
    assert asked == "judge"
    assert json.loads(answered) == {"verdict": "good", "score": 0.5}


class Jokes(TypedDict):
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]


def test_a_graph_that_sends_and_commands(tracing: Traced) -> None:
    graph = StateGraph(Jokes)
    graph.add_node("split", lambda state: {"subjects": state["subjects"]})
    graph.add_node("joke", lambda state: {"jokes": [f"a {state['subject']} walks in"]})
    graph.add_node("hop", lambda _: Command(goto="last", update={"jokes": ["hop"]}))
    graph.add_node("last", lambda _: None)
    graph.add_edge(START, "split")
    graph.add_conditional_edges(
        "split", lambda state: [Send("joke", {"subject": it}) for it in state["subjects"]], ["joke"]
    )
    graph.add_edge("joke", "hop")
    graph.add_edge("last", END)
    graph.compile().invoke({"subjects": ["cat"], "jokes": []}, tracing.config)
    assert cells(tracing, "joke") == ("cat", '{"jokes":["a cat walks in"]}')
    assert cells(tracing, "hop")[1] == '{"jokes":["hop"]}'
    assert "0x" not in repr([record.attributes for record in tracing.records])


def test_a_graph_that_asks_and_is_answered(tracing: Traced) -> None:
    def ask(_: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"got {interrupt({'question': 'sure?'})}")]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    app = graph.compile(checkpointer=InMemorySaver())
    config = {**tracing.config, "configurable": {"thread_id": "t"}, "run_name": "graph"}
    app.invoke({"messages": [("human", "go")]}, config)
    assert cells(tracing, "graph")[0] == "go"
    assert [row["action"] for row in tracing.tables.records if row["errors"]] == []
    tracing.exporter.clear()
    app.invoke(Command(resume="yes"), config)
    assert cells(tracing, "graph") == ("yes", "got yes")


def test_retrieval_in_a_chain(tracing: Traced) -> None:
    shelf = Shelf(documents=[Document("Bears hibernate.", metadata={"url": "u", "_score": 0.5})])
    chain = {"context": shelf, "question": RunnablePassthrough()} | RunnableLambda(
        lambda state: f"{state['context'][0].page_content} ({state['question']})"
    ).with_config(run_name="answer")
    chain.invoke("Do bears sleep?", {**tracing.config, "run_name": "whole"})
    answer = "Bears hibernate. (Do bears sleep?)"
    assert cells(tracing, "whole") == ("Do bears sleep?", answer)
    assert cells(tracing, "answer") == ("Do bears sleep?", answer)
    rows = tracing.tables.records
    assert [row["query"] for row in rows if "query" in row] == ["Do bears sleep?"]
    (documents,) = [row["documents"] for row in rows if "documents" in row]
    assert json.loads(str(documents)) == [
        {"content": "Bears hibernate.", "source": "u", "score": 0.5}
    ]
