"""Agents of today: `create_agent`, with tools, middleware, structure and people in the loop."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command
from pydantic import BaseModel

from clearml_otel import attributes as names
from support.shape_parts import USAGE, TurnsModel, calling, tide, weather
from support.shapes import Raised, Seen, Shapes
from support.task_contexts import in_tasks

QUESTION = "How is Paris?"
ASKED: dict[str, Any] = {"messages": [HumanMessage(QUESTION)]}
LOOK = calling("weather", city="Paris")
SUNNY = AIMessage("It is sunny.", usage_metadata=USAGE)
OUTLINE = [
    "chain LangGraph",
    "  chain model",
    "    llm TurnsModel",
    "  chain tools",
    "    tool weather",
    "  chain model",
    "    llm TurnsModel",
]


def agent(*turns: Any, tools: Any = (weather,), **fields: Any) -> Any:
    return create_agent(TurnsModel(turns=list(turns)), list(tools), **fields)


def last(state: Any) -> str:
    return str(state["messages"][-1].content)


def assert_answered(seen: Seen) -> None:
    assert seen.result == "It is sunny."
    assert seen.outline == OUTLINE
    assert seen.io("LangGraph") == (QUESTION, "It is sunny.")
    assert seen.io("weather") == ("Paris", "sunny in Paris")
    assert seen.pairs[0][0] == f"Human: {QUESTION}"
    assert seen.pairs[1][1] == "It is sunny."
    assert seen.tokens == [(None, None, None), (5, 2, 7)]
    assert len({span.trace_id for span in seen.spans}) == 1


@pytest.mark.parametrize("how", ["invoke", in_tasks("ainvoke"), "stream", in_tasks("astream")])
def test_an_agent_with_a_tool(shape: Shapes, how: str) -> None:
    async def ainvoke() -> str:
        return last(await agent(LOOK, SUNNY).ainvoke(ASKED))

    async def astream() -> str:
        states = agent(LOOK, SUNNY).astream(ASKED, stream_mode="values")
        return last([state async for state in states][-1])

    def stream() -> str:
        return last(list(agent(LOOK, SUNNY).stream(ASKED, stream_mode="values"))[-1])

    programs = {
        "invoke": lambda: last(agent(LOOK, SUNNY).invoke(ASKED)),
        "ainvoke": ainvoke,
        "stream": stream,
        "astream": astream,
    }
    assert_answered(shape(programs[how]))


FORMS: dict[str, Any] = {
    "text": QUESTION,
    "tuple": [("user", QUESTION)],
    "dictionary": [{"role": "user", "content": QUESTION}],
    "earlier turns": [HumanMessage("hi"), AIMessage("hello"), HumanMessage(QUESTION)],
}


@pytest.mark.parametrize("form", ["text", "tuple", "dictionary", "earlier turns"])
def test_the_question_whatever_its_form(shape: Shapes, form: str) -> None:
    seen = shape(lambda: last(agent("It is sunny.").invoke({"messages": FORMS[form]})))
    assert seen.io("LangGraph") == (QUESTION, "It is sunny.")


def test_a_model_nodes_answer_is_its_output(shape: Shapes) -> None:
    seen = shape(lambda: last(agent("It is sunny.").invoke(ASKED)))
    assert seen.io("model") == (QUESTION, "It is sunny.")


def test_the_requested_tool_stands_on_the_models_row(shape: Shapes) -> None:
    row = repr(shape(lambda: last(agent(LOOK, SUNNY).invoke(ASKED))).end("TurnsModel"))
    assert "weather" in row
    assert "Paris" in row


def test_an_async_tool(shape: Shapes) -> None:
    async def program() -> str:
        turns = [calling("tide", port="Brest"), "High."]
        return last(await agent(*turns, tools=[tide]).ainvoke(ASKED))

    seen = shape(program)
    assert seen.result == "High."
    assert seen.io("tide") == ("Brest", "high in Brest")


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_tools_at_once(shape: Shapes, how: str) -> None:
    both = AIMessage(
        "",
        tool_calls=[
            {"name": "weather", "args": {"city": city}, "id": f"c{city}"}
            for city in ("Paris", "Rome")
        ],
    )

    async def ainvoke() -> str:
        return last(await agent(both, "Sunny.").ainvoke(ASKED))

    seen = shape(ainvoke if how == "ainvoke" else lambda: last(agent(both, "Sunny.").invoke(ASKED)))
    assert seen.result == "Sunny."
    assert sorted(seen.io("weather", nth) for nth in (0, 1)) == [
        ("Paris", "sunny in Paris"),
        ("Rome", "sunny in Rome"),
    ]
    calls = {seen.span("weather", nth).attributes[names.TOOL_CALL_ID] for nth in (0, 1)}
    assert calls == {"cParis", "cRome"}
    above = {run["run_id"] for run in seen.runs if run["name"] == "tools"}
    assert {seen.run("weather", nth)["parent_run_id"] for nth in (0, 1)} == above


def test_an_instructed_and_named_agent(shape: Shapes) -> None:
    seen = shape(lambda: last(agent("Hi.", system_prompt="Be nice.", name="helper").invoke(ASKED)))
    assert seen.outline[0] == "chain helper"
    assert seen.pairs == [(f"System: Be nice.\nHuman: {QUESTION}", "Hi.")]
    assert seen.io("helper") == (QUESTION, "Hi.")


class Mood(BaseModel):
    """A mood."""

    word: str


def test_a_structured_answer(shape: Shapes) -> None:
    def program() -> object:
        helper = agent(
            calling("Mood", word="cheerful"), tools=[], response_format=ToolStrategy(Mood)
        )
        return helper.invoke(ASKED)["structured_response"]

    seen = shape(program)
    assert seen.result == Mood(word="cheerful")
    given, gave = seen.io("LangGraph")
    assert given == QUESTION
    assert "cheerful" in gave


class Nosy(AgentMiddleware):
    def before_model(self, state: Any, runtime: Any) -> None:
        return None

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request)

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        return handler(request)


def test_middleware(shape: Shapes) -> None:
    seen = shape(lambda: last(agent(LOOK, SUNNY, middleware=[Nosy()]).invoke(ASKED)))
    assert seen.result == "It is sunny."
    assert seen.outline[:4] == [
        "chain LangGraph",
        "  chain Nosy.before_model",
        "  chain model",
        "    llm TurnsModel",
    ]
    assert seen.io("weather") == ("Paris", "sunny in Paris")


def test_a_tool_that_fails(shape: Shapes) -> None:
    @tool
    def broken(x: str) -> str:
        """Breaks."""
        raise RuntimeError("it broke")

    seen = shape(lambda: agent(calling("broken", x="y"), tools=[broken]).invoke(ASKED))
    assert seen.result == Raised("RuntimeError", "it broke")
    assert seen.end("broken")["action"] == "on_tool_error"
    assert seen.end("LangGraph")["error_message"] == "it broke"
    assert seen.records[-1]["errors"] == 3


def test_a_tool_that_does_not_exist(shape: Shapes) -> None:
    seen = shape(lambda: last(agent(calling("nonesuch", x="y"), "Sorry.").invoke(ASKED)))
    assert seen.result == "Sorry."
    assert "nonesuch is not a valid tool" in seen.pairs[1][0]


def test_a_model_that_fails(shape: Shapes) -> None:
    seen = shape(lambda: agent(ConnectionError("no model")).invoke(ASKED))
    assert seen.result == Raised("ConnectionError", "no model")
    assert [seen.end(name)["error_type"] for name in ("TurnsModel", "model", "LangGraph")] == [
        "ConnectionError"
    ] * 3


def test_a_person_in_the_loop(shape: Shapes) -> None:
    def program() -> list[object]:
        approval = HumanInTheLoopMiddleware(interrupt_on={"weather": True})
        helper = agent(LOOK, SUNNY, middleware=[approval], checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "t-7"}}
        paused = helper.invoke(ASKED, config)
        resumed = helper.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
        return [len(paused["__interrupt__"]), last(resumed)]

    seen = shape(program)
    assert seen.result == [1, "It is sunny."]
    assert "on_chain_error" not in seen.actions
    assert seen.run("HumanInTheLoopMiddleware.after_model")["status"] == "interrupted"
    assert seen.io("LangGraph", 0)[0] == QUESTION
    assert seen.io("LangGraph", 1)[1] == "It is sunny."
    assert seen.io("weather") == ("Paris", "sunny in Paris")
    assert {span.attributes[names.SESSION_ID] for span in seen.spans} == {"t-7"}


def test_a_handoff_between_agents(shape: Shapes) -> None:
    @tool
    def transfer(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Hands over."""
        message = ToolMessage("handed over", tool_call_id=tool_call_id)
        return Command(goto="second", graph=Command.PARENT, update={"messages": [message]})

    def program() -> str:
        graph = StateGraph(MessagesState)
        graph.add_node("first", agent(calling("transfer"), tools=[transfer], name="first"))
        graph.add_node("second", agent("I am the second.", tools=[], name="second"))
        graph.add_edge(START, "first")
        return last(graph.compile().invoke(ASKED))

    seen = shape(program)
    assert seen.result == "I am the second."
    assert "on_chain_error" not in seen.actions
    assert seen.io("LangGraph") == (QUESTION, "I am the second.")
    assert seen.run("first")["status"] == "interrupted"
    assert seen.pairs[-1][1] == "I am the second."


def test_an_agent_as_a_tool(shape: Shapes) -> None:
    @tool
    def expert(question: str) -> str:
        """Knows."""
        return last(agent(SUNNY, tools=[], name="expert").invoke({"messages": question}))

    seen = shape(
        lambda: last(
            agent(calling("expert", question="sky?"), "Done.", tools=[expert]).invoke(ASKED)
        )
    )
    assert seen.result == "Done."
    assert seen.io("expert", 0) == ("sky?", "It is sunny.")
    inner = next(run for run in seen.runs if run["name"] == "expert" and run["type"] == "chain")
    outer = next(run for run in seen.runs if run["name"] == "expert" and run["type"] == "tool")
    assert inner["parent_run_id"] == outer["run_id"]
    assert len({span.trace_id for span in seen.spans}) == 1
