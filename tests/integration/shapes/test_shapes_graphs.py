"""LangGraph: nodes, subgraphs, fan-out, pauses, jumps and streams."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from clearml_otel import attributes as names
from support.shape_parts import TurnsModel
from support.shapes import Raised, Shapes
from support.task_contexts import needs_task_contexts


class State(TypedDict):
    question: str
    found: Annotated[list[str], operator.add]


ASKED: Any = {"question": "why?", "found": []}


def graph(**nodes: Any) -> StateGraph[State]:
    """The nodes one after the other."""
    made = StateGraph(State)
    before = START
    for name, work in nodes.items():
        made.add_node(name, work)
        made.add_edge(before, name)
        before = name
    made.add_edge(before, END)
    return made


def leaves(word: str) -> Any:
    return lambda state: {"found": [word]}


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_nodes_in_a_row(shape: Shapes, how: str) -> None:
    async def two(state: State) -> dict[str, list[str]]:
        return {"found": ["two"]}

    async def ainvoke() -> object:
        return (await graph(one=leaves("one"), two=two).compile().ainvoke(ASKED))["found"]

    def invoke() -> object:
        return graph(one=leaves("one"), two=leaves("two")).compile().invoke(ASKED)["found"]

    seen = shape(ainvoke if how == "ainvoke" else invoke)
    assert seen.result == ["one", "two"]
    assert seen.outline == ["chain LangGraph", "  chain one", "  chain two"]
    assert "why?" in seen.io("LangGraph")[0]
    assert '["one","two"]' in seen.io("LangGraph")[1]


def test_a_model_in_a_node(shape: Shapes) -> None:
    def program() -> object:
        made = StateGraph(MessagesState)
        model = TurnsModel(turns=["Because."])
        made.add_node("answer", lambda state: {"messages": [model.invoke(state["messages"])]})
        made.add_edge(START, "answer")
        return (
            made.compile()
            .invoke({"messages": [{"role": "user", "content": "why?"}]})["messages"][-1]
            .content
        )

    seen = shape(program)
    assert seen.result == "Because."
    assert seen.outline == ["chain LangGraph", "  chain answer", "    llm TurnsModel"]
    assert seen.io("LangGraph") == ("why?", "Because.")
    assert seen.io("answer") == ("why?", "Because.")


def test_a_subgraph(shape: Shapes) -> None:
    def program() -> object:
        return graph(inner=graph(leaf=leaves("leaf")).compile()).compile().invoke(ASKED)["found"]

    seen = shape(program)
    assert seen.result == ["leaf"]
    assert seen.outline == [
        "chain LangGraph",
        "  chain inner",
        "    chain LangGraph",
        "      chain leaf",
    ]


def test_map_and_reduce(shape: Shapes) -> None:
    def program() -> list[str]:
        made = StateGraph(State)
        made.add_node("split", lambda state: {})
        made.add_node("work", lambda state: {"found": [state["question"]]})
        made.add_node("join", lambda state: {"question": ",".join(sorted(state["found"]))})
        made.add_conditional_edges(
            "split", lambda _: [Send("work", {"question": letter}) for letter in "abc"], ["work"]
        )
        made.add_edge(START, "split")
        made.add_edge("work", "join")
        return made.compile().invoke(ASKED)["question"]

    seen = shape(program)
    assert seen.result == "a,b,c"
    assert sorted(seen.io("work", nth)[0] for nth in range(3)) == ["a", "b", "c"]
    root = seen.run("LangGraph")["run_id"]
    assert {seen.run("work", nth)["parent_run_id"] for nth in range(3)} == {root}


def test_branches_at_once(shape: Shapes) -> None:
    def program() -> list[str]:
        made = StateGraph(State)
        for name in ("left", "right"):
            made.add_node(name, leaves(name))
            made.add_edge(START, name)
        return sorted(made.compile().invoke(ASKED)["found"])

    seen = shape(program)
    assert seen.result == ["left", "right"]
    assert sorted(run["name"] for run in seen.runs) == ["LangGraph", "left", "right"]


def test_a_conditional_edge(shape: Shapes) -> None:
    def program() -> list[str]:
        made = StateGraph(State)
        made.add_node("first", leaves("first"))
        made.add_node("long", leaves("long"))
        made.add_node("short", leaves("short"))
        made.add_edge(START, "first")

        def route(state: State) -> str:
            return "short" if len(state["question"]) < 9 else "long"

        made.add_conditional_edges("first", route, ["long", "short"])
        return made.compile().invoke(ASKED)["found"]

    seen = shape(program)
    assert seen.result == ["first", "short"]
    assert "  chain short" in seen.outline


def test_a_pause_and_its_end(shape: Shapes) -> None:
    def program() -> list[Any]:
        asks = graph(ask=lambda state: {"found": [interrupt("Your name?")]})
        app = asks.compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "t-1"}}
        paused = app.invoke(ASKED, config)
        return [
            paused["__interrupt__"][0].value,
            app.invoke(Command(resume="Ann"), config)["found"],
        ]

    seen = shape(program)
    assert seen.result == ["Your name?", ["Ann"]]
    assert seen.outline == ["chain LangGraph", "  chain ask"] * 2
    assert [run["status"] for run in seen.runs] == ["ok", "interrupted", "ok", "ok"]
    assert "on_chain_error" not in seen.actions
    assert "Ann" in seen.io("LangGraph", 1)[0]
    assert all(span.status != "error" for span in seen.spans)
    # the thread is the session
    assert {span.attributes[names.SESSION_ID] for span in seen.spans} == {"t-1"}


def test_a_conversation_in_a_thread(shape: Shapes) -> None:
    def program() -> list[str]:
        made = StateGraph(MessagesState)
        model = TurnsModel(turns=["Hello.", "Fine."])
        made.add_node("answer", lambda state: {"messages": [model.invoke(state["messages"])]})
        made.add_edge(START, "answer")
        app = made.compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "t-2"}}
        turns = [app.invoke({"messages": [("user", each)]}, config) for each in ("hi", "how?")]
        return [turn["messages"][-1].content for turn in turns]

    seen = shape(program)
    assert seen.pairs == [("Human: hi", "Hello."), ("Human: hi\nAI: Hello.\nHuman: how?", "Fine.")]
    assert {span.attributes[names.CONVERSATION_ID] for span in seen.spans} == {"t-2"}
    assert len({span.trace_id for span in seen.spans}) == 2


def test_a_jump_to_the_graph_above(shape: Shapes) -> None:
    def program() -> list[str]:
        def jump(state: State) -> Any:
            return Command(goto="after", graph=Command.PARENT, update={"found": ["jumped"]})

        made = StateGraph(State)
        made.add_node("inner", graph(jump=jump).compile())
        made.add_node("after", leaves("after"))
        made.add_edge(START, "inner")
        return made.compile().invoke(ASKED)["found"]

    seen = shape(program)
    assert seen.result == ["jumped", "after"]
    assert "on_chain_error" not in seen.actions
    assert seen.run("jump")["status"] == "interrupted"
    assert seen.run("LangGraph")["status"] == "ok"


def test_an_error_in_a_node(shape: Shapes) -> None:
    def broken(state: State) -> None:
        raise RuntimeError("node broke")

    seen = shape(lambda: graph(fine=leaves("fine"), broken=broken).compile().invoke(ASKED))
    assert seen.result == Raised("RuntimeError", "node broke")
    assert [seen.end(name)["action"] for name in ("fine", "broken", "LangGraph")] == [
        "on_chain_end",
        "on_chain_error",
        "on_chain_error",
    ]
    assert seen.end("LangGraph")["error_message"] == "node broke"


def test_a_node_that_is_tried_again(shape: Shapes) -> None:
    def program() -> list[str]:
        left = iter([OSError("once"), None])

        def flaky(state: State) -> dict[str, list[str]]:
            if (error := next(left)) is not None:
                raise error
            return {"found": ["done"]}

        made = StateGraph(State)
        policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=OSError)
        made.add_node("flaky", flaky, retry_policy=policy)
        made.add_edge(START, "flaky")
        return made.compile().invoke(ASKED)["found"]

    seen = shape(program)
    assert seen.result == ["done"]
    assert [run["status"] for run in seen.runs] == ["ok", "error", "ok"]


@pytest.mark.parametrize("mode", ["values", "updates", "messages", "custom", "debug"])
def test_stream_modes(shape: Shapes, mode: Any) -> None:
    def program() -> list[str]:
        model = TurnsModel(turns=["Because."])

        def answer(state: State) -> dict[str, list[str]]:
            get_stream_writer()("working")
            return {"found": [str(model.invoke(state["question"]).content)]}

        app = graph(answer=answer).compile()
        return [type(each).__name__ for each in app.stream(ASKED, stream_mode=mode)]

    seen = shape(program)
    assert seen.result
    assert seen.outline == ["chain LangGraph", "  chain answer", "    llm TurnsModel"]
    assert seen.pairs == [("Human: why?", "Because.")]


@needs_task_contexts
def test_events_of_an_async_graph(shape: Shapes) -> None:
    async def program() -> list[str]:
        model = TurnsModel(turns=["Because."])

        async def answer(state: State) -> dict[str, list[str]]:
            return {"found": [str((await model.ainvoke(state["question"])).content)]}

        app = graph(answer=answer).compile()
        return [event["event"] async for event in app.astream_events(ASKED, version="v2")]

    seen = shape(program)
    assert "on_chat_model_end" in seen.result
    assert seen.outline == ["chain LangGraph", "  chain answer", "    llm TurnsModel"]
    assert seen.pairs == [("Human: why?", "Because.")]


def test_a_stream_that_is_given_up(shape: Shapes) -> None:
    def program() -> object:
        stream = graph(one=leaves("one"), two=leaves("two")).compile().stream(ASKED)
        first = next(stream)
        stream.close()
        return first

    seen = shape(program)
    assert seen.result == {"one": {"found": ["one"]}}
    assert seen.run("LangGraph")["status"] in {"ok", "error"}


def test_too_many_steps(shape: Shapes) -> None:
    def program() -> object:
        made = StateGraph(State)
        made.add_node("again", leaves("x"))
        made.add_edge(START, "again")
        made.add_edge("again", "again")
        return made.compile().invoke(ASKED, {"recursion_limit": 3})

    seen = shape(program)
    assert seen.result.kind == "GraphRecursionError"
    assert seen.end("LangGraph")["error_type"].endswith("GraphRecursionError")


def test_functions_instead_of_nodes(shape: Shapes) -> None:
    def program() -> object:
        @task
        def double(x: int) -> int:
            return 2 * x

        @entrypoint()
        def flow(x: int) -> int:
            return sum(each.result() for each in [double(x), double(x + 1)])

        return flow.invoke(1)

    seen = shape(program)
    assert seen.result == 6
    assert sorted(seen.io("double", nth)[1] for nth in (0, 1)) == ["2", "4"]
    assert seen.io("flow")[1] == "6"
