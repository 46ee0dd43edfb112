"""LangGraph, agents and classic chains: what their nodes and tools do is below them."""

from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_classic.chains.base import Chain
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from opentelemetry import context as otel_context

from support.instrumented import Instrumented, instrumented
from support.probes import ProbeChat
from support.task_contexts import in_tasks, needs_task_contexts


class State(TypedDict):
    steps: Annotated[list[str], operator.add]


@pytest.fixture
def traced(caplog: pytest.LogCaptureFixture) -> Iterator[Instrumented]:
    with instrumented(caplog) as made:
        yield made


def mark(traced: Instrumented, name: str) -> None:
    with traced.tracer.start_as_current_span(name):
        pass


def graph_of(traced: Instrumented) -> Any:
    """Two nodes in a row, one of them a subgraph, and two tasks sent side by side."""

    def first(state: State) -> Any:
        mark(traced, "http first")
        return {"steps": ["first"]}

    def inner(state: State) -> Any:
        mark(traced, "http inner")
        ProbeChat(tracer=traced.tracer).invoke("q")
        return {"steps": ["inner"]}

    def sent(state: State) -> Any:
        mark(traced, "http sent")
        return {"steps": ["sent"]}

    def fan_out(state: State) -> list[Send]:
        mark(traced, "http fan_out")
        return [Send("sent", {"steps": []}), Send("sent", {"steps": []})]

    sub: Any = StateGraph(State)
    sub.add_node("inner", inner)
    sub.add_edge(START, "inner")
    graph: Any = StateGraph(State)
    graph.add_node("first", first)
    graph.add_node("sub", sub.compile())
    graph.add_node("sent", sent)
    graph.add_edge(START, "first")
    graph.add_edge("first", "sub")
    graph.add_conditional_edges("sub", fan_out, ["sent"])
    graph.add_edge("sent", END)
    return graph


def check_graph(traced: Instrumented) -> None:
    assert set(traced.parents_of("http first")) == {"first"}
    assert set(traced.parents_of("http inner")) == {"inner"}
    assert set(traced.parents_of("http sent")) == {"sent"}
    assert set(traced.parents_of("http fan_out")) == {"fan_out"}
    assert set(traced.parents_of("ProbeChat")) == {"inner"}
    assert len({span.context.trace_id for span in traced.spans}) == 1
    assert traced.parents_of("LangGraph")[-1] == "nothing"


@pytest.mark.parametrize("way", ["invoke", "stream", in_tasks("ainvoke"), in_tasks("astream")])
def test_a_graph(traced: Instrumented, way: str) -> None:
    graph = graph_of(traced).compile()
    given: State = {"steps": []}

    async def work() -> None:
        before = otel_context.get_current()
        if way == "ainvoke":
            await graph.ainvoke(given)
        else:
            async for _ in graph.astream(given):
                assert otel_context.get_current() is before
        assert otel_context.get_current() is before

    if way == "invoke":
        result = graph.invoke(given)
        assert set(result["steps"]) == {"first", "inner", "sent"}
    elif way == "stream":
        before = otel_context.get_current()
        for _ in graph.stream(given, stream_mode="updates", subgraphs=True):
            assert otel_context.get_current() is before
    else:
        asyncio.run(work())
    check_graph(traced)


def test_a_checkpointer_is_below_the_graph(traced: Instrumented) -> None:
    class Saver(InMemorySaver):
        def put(self, *args: Any, **kwargs: Any) -> Any:
            mark(traced, "db put")
            return super().put(*args, **kwargs)

        def get_tuple(self, *args: Any, **kwargs: Any) -> Any:
            mark(traced, "db get")
            return super().get_tuple(*args, **kwargs)

    graph = graph_of(traced).compile(checkpointer=Saver())
    graph.invoke({"steps": []}, {"configurable": {"thread_id": "1"}})
    assert "LangGraph" in traced.parents_of("db get")
    assert "nothing" not in traced.parents_of("db put")
    check_graph(traced)


@pytest.mark.parametrize("way", ["invoke", in_tasks("ainvoke")])
def test_an_interrupt_and_its_resumption(traced: Instrumented, way: str) -> None:
    def ask(state: State) -> Any:
        mark(traced, "http ask")
        return {"steps": [interrupt("yes?")]}

    graph: Any = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    compiled = graph.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}

    async def work() -> Any:
        await compiled.ainvoke({"steps": []}, config)
        return await compiled.ainvoke(Command(resume="yes"), config)

    if way == "invoke":
        compiled.invoke({"steps": []}, config)
        result = compiled.invoke(Command(resume="yes"), config)
    else:
        result = asyncio.run(work())
    assert result["steps"] == ["yes"]
    assert traced.parents_of("http ask") == ["ask", "ask"]


def test_an_abandoned_graph(traced: Instrumented) -> None:
    async def work() -> None:
        stream: AsyncIterator[Any] = graph_of(traced).compile().astream({"steps": []})
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(work())
    stream = graph_of(traced).compile().stream({"steps": []})
    next(stream)
    stream.close()
    mark(traced, "after")
    assert traced.parents_of("after") == ["nothing"]


@needs_task_contexts
def test_a_cancelled_graph(traced: Instrumented) -> None:
    begun = asyncio.Event()

    async def slow(state: State) -> Any:
        mark(traced, "http slow")
        begun.set()
        await asyncio.Event().wait()

    graph: Any = StateGraph(State)
    graph.add_node("slow", slow)
    graph.add_edge(START, "slow")

    async def work() -> None:
        task = asyncio.create_task(graph.compile().ainvoke({"steps": []}))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert traced.parents_of("http slow") == ["slow"]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_tools_of_an_agent(traced: Instrumented, way: str) -> None:
    chain = RunnableLambda(lambda city: mark(traced, "http weather") or f"sun in {city}")

    @tool
    def weather(city: str) -> str:
        """The weather."""
        mark(traced, "http tool")
        return str(chain.with_config(run_name="forecast").invoke(city))

    class Scripted(GenericFakeChatModel):
        def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
            return self

    calls = [{"name": "weather", "args": {"city": c}, "id": c} for c in ("Rome", "Oslo")]
    answers = iter([AIMessage("", tool_calls=calls), AIMessage("Sun.")])
    agent = create_agent(Scripted(messages=answers), [weather])
    given: Any = {"messages": [("human", "weather?")]}
    result = agent.invoke(given) if way == "invoke" else asyncio.run(agent.ainvoke(given))
    assert result["messages"][-1].content == "Sun."
    assert traced.parents_of("http tool") == ["weather", "weather"]
    assert traced.parents_of("forecast") == ["weather", "weather"]
    assert traced.parents_of("http weather") == ["forecast", "forecast"]
    assert set(traced.parents_of("weather")) == {"tools"}
    assert len({span.context.trace_id for span in traced.spans}) == 1


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_classic_chain(traced: Instrumented, way: str) -> None:
    class Classic(Chain):
        @property
        def input_keys(self) -> list[str]:
            return ["q"]

        @property
        def output_keys(self) -> list[str]:
            return ["a"]

        def _call(self, inputs: Any, run_manager: Any = None) -> Any:
            mark(traced, "http classic")
            return {"a": inputs["q"]}

        async def _acall(self, inputs: Any, run_manager: Any = None) -> Any:
            await asyncio.sleep(0)
            return self._call(inputs)

    chain = Classic()
    given = {"q": "x"}
    result = chain.invoke(given) if way == "invoke" else asyncio.run(chain.ainvoke(given))
    assert result["a"] == "x"
    assert traced.paths() == ["Classic", "Classic > http classic"]


def test_modules_imported_after_the_instrumentation() -> None:
    program = """
        import sys
        from clearml_otel.langchain import LangChainInstrumentor
        from support.traced import memory_provider

        provider, exporter = memory_provider()
        LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
        late = ("langgraph", "langchain_core.retrievers", "langchain_classic")
        assert not [name for name in late if name in sys.modules]

        from langgraph.graph import START, StateGraph
        from support.probes import ProbeRetriever
        tracer = provider.get_tracer("application")

        def node(state):
            tracer.start_span("http").end()
            ProbeRetriever(tracer=tracer).invoke("q")

        def run():
            graph = StateGraph(dict)
            graph.add_node("node", node)
            graph.add_edge(START, "node")
            graph.compile().invoke({"q": 1})
            spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
            exporter.clear()
            parent = {s.name: s.parent and spans[s.parent.span_id].name for s in spans.values()}
            return parent["http"], parent["db search"]

        print(*run())
        LangChainInstrumentor().uninstrument()
        from langgraph._internal import _runnable
        from langgraph.pregel import Pregel
        changed = (_runnable._set_config_context, Pregel.stream)
        print(*(hasattr(function, "__wrapped__") for function in changed))
        try:
            run()
        except KeyError:
            pass
        LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
        print(*run())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "node retrieval ProbeRetriever",
        "False False",
        "node retrieval ProbeRetriever",
    ]
