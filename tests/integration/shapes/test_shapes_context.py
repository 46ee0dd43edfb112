"""Whose child a span made by somebody else is, and what is the current span meanwhile and after."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from opentelemetry import trace

from clearml_otel.spans import SpanRecord
from support.scripted_models import ScriptedChatModel, ScriptedLLM
from support.shape_parts import TurnsModel
from support.shapes import Seen, Shapes


@pytest.fixture
def tracer(shape: Shapes) -> trace.Tracer:
    """The application's own, on the same provider."""
    return trace.get_tracer("application", tracer_provider=shape.provider)


def named(seen: Seen, name: str) -> SpanRecord:
    (span,) = [span for span in seen.spans if span.name == name]
    return span


def assert_child(seen: Seen, run_name: str, of: str = "mine") -> None:
    run, mine = seen.span(run_name), named(seen, of)
    assert (mine.trace_id, mine.parent_span_id) == (run.trace_id, run.span_id)


def touch(tracer: trace.Tracer, name: str = "mine") -> None:
    """What an instrumented HTTP client does."""
    with tracer.start_as_current_span(name):
        pass


# -- spans made inside runs ----------------------------------------------------------------


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "async"])
def test_a_span_in_a_tool(shape: Shapes, tracer: trace.Tracer, how: str) -> None:
    @tool("work")
    def work(x: str) -> str:
        """Works."""
        touch(tracer)
        return x

    @tool("work")
    async def awork(x: str) -> str:
        """Works."""
        await asyncio.sleep(0)
        touch(tracer)
        return x

    async def ainvoke() -> object:
        return await (awork if how == "async" else work).ainvoke("q")

    seen = shape((lambda: work.invoke("q")) if how == "invoke" else ainvoke)
    assert_child(seen, "work")


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream", "batch"])
def test_a_span_in_a_chat_model(shape: Shapes, tracer: trace.Tracer, how: str) -> None:
    def model() -> TurnsModel:
        made: list[int] = []

        def meanwhile() -> None:
            if not made:
                made.append(1)
                touch(tracer)

        streamed = [AIMessageChunk("a"), AIMessageChunk("b")] if "stream" in how else []
        return TurnsModel(turns=["ab"], pieces=streamed, meanwhile=meanwhile)

    async def ainvoke() -> object:
        return (await model().ainvoke("q")).content

    async def astream() -> object:
        return [each.content async for each in model().astream("q")]

    programs = {
        "invoke": lambda: model().invoke("q").content,
        "ainvoke": ainvoke,
        "stream": lambda: [each.content for each in model().stream("q")],
        "astream": astream,
        "batch": lambda: [each.content for each in model().batch(["q"])],
    }
    assert_child(shape(programs[how]), "TurnsModel")


class Asking(ScriptedLLM):
    tracer: Any = None

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        touch(self.tracer)
        return super()._generate(*args, **kwargs)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_span_in_a_completion_model(shape: Shapes, tracer: trace.Tracer, how: str) -> None:
    async def ainvoke() -> str:
        return await Asking(tracer=tracer).ainvoke("q")

    seen = shape(ainvoke if how == "ainvoke" else lambda: Asking(tracer=tracer).invoke("q"))
    assert_child(seen, "Asking")


class Searching(BaseRetriever):
    tracer: Any = None

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        touch(self.tracer)
        return []


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_span_in_a_retriever(shape: Shapes, tracer: trace.Tracer, how: str) -> None:
    async def ainvoke() -> object:
        return await Searching(tracer=tracer).ainvoke("q")

    seen = shape(ainvoke if how == "ainvoke" else lambda: Searching(tracer=tracer).invoke("q"))
    assert_child(seen, "Searching")


def test_a_span_in_a_tool_below_an_agents_chain(shape: Shapes, tracer: trace.Tracer) -> None:
    @tool("work")
    def work(x: str) -> str:
        """Works."""
        touch(tracer)
        return x

    seen = shape(
        lambda: RunnableLambda(lambda x: work.invoke(x)).with_config(run_name="outer").invoke("q")
    )
    assert_child(seen, "work")
    assert seen.outline == ["chain outer", "  tool work"]


def test_a_chain_below_an_applications_span_in_a_tool(shape: Shapes, tracer: trace.Tracer) -> None:
    @tool("work")
    def work(x: str) -> str:
        """Works."""
        with tracer.start_as_current_span("mine"):
            return ScriptedLLM().invoke(x)

    seen = shape(lambda: work.invoke("q"))
    assert seen.outline == ["tool work", "  llm ScriptedLLM"]
    assert_child(seen, "work")
    assert seen.span("ScriptedLLM").parent_span_id == named(seen, "mine").span_id


# -- spans made around runs ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "batch", "stream"])
def test_an_applications_span_is_the_parent(shape: Shapes, tracer: trace.Tracer, how: str) -> None:
    chain = ScriptedChatModel() | StrOutputParser()

    async def ainvoke() -> object:
        with tracer.start_as_current_span("request"):
            return await chain.ainvoke("q")

    def sync() -> object:
        with tracer.start_as_current_span("request"):
            return list(chain.batch(["q"]) if how == "batch" else chain.stream("q"))

    def invoke() -> object:
        with tracer.start_as_current_span("request"):
            return chain.invoke("q")

    seen = shape({"invoke": invoke, "ainvoke": ainvoke}.get(how, sync))
    root, request = seen.span("RunnableSequence"), named(seen, "request")
    assert (root.trace_id, root.parent_span_id) == (request.trace_id, request.span_id)


def test_a_span_after_a_batch_is_nobodys_child(shape: Shapes, tracer: trace.Tracer) -> None:
    def program() -> str:
        ScriptedChatModel(fails_on=["b"]).batch(["a", "b", "c"], return_exceptions=True)
        touch(tracer)
        return "done"

    seen = shape(program)
    assert named(seen, "mine").parent_span_id is None
    assert len({span.trace_id for span in seen.spans}) == 4


def test_a_span_after_a_generate_is_nobodys_child(shape: Shapes, tracer: trace.Tracer) -> None:
    def program() -> str:
        ScriptedLLM().generate(["a", "b", "c"])
        touch(tracer)
        return "done"

    assert named(shape(program), "mine").parent_span_id is None


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_a_span_between_two_chunks_is_nobodys_child(
    shape: Shapes, tracer: trace.Tracer, how: str
) -> None:
    def model() -> TurnsModel:
        return TurnsModel(pieces=[AIMessageChunk("a"), AIMessageChunk("b")])

    def stream() -> str:
        chunks = model().stream("q")
        next(chunks)
        touch(tracer)
        return str(len(list(chunks)))

    async def astream() -> str:
        chunks = model().astream("q")
        await anext(chunks)
        touch(tracer)
        return str(len([each async for each in chunks]))

    seen = shape(astream if how == "astream" else stream)
    assert named(seen, "mine").parent_span_id is None
    assert len({span.trace_id for span in seen.spans}) == 2


def test_spans_between_two_streams_by_turns(shape: Shapes, tracer: trace.Tracer) -> None:
    def program() -> int:
        streams = [ScriptedLLM(answers={"q": ["abc"]}).stream("q") for _ in range(2)]
        for number, _ in enumerate(zip(*streams, strict=True)):
            touch(tracer, f"mine {number}")
        return number

    seen = shape(program)
    assert {named(seen, f"mine {number}").parent_span_id for number in range(3)} == {None}
    assert len({span.trace_id for span in seen.spans}) == 5


def test_a_stream_that_ends_in_another_thread_leaves_nothing_there(
    shape: Shapes, tracer: trace.Tracer
) -> None:
    def program() -> list[bool]:
        stream = TurnsModel(pieces=[AIMessageChunk("a"), AIMessageChunk("b")]).stream("q")
        next(stream)
        valid: list[bool] = []

        def read() -> None:
            list(stream)
            valid.append(trace.get_current_span().get_span_context().is_valid)

        reader = threading.Thread(target=read)
        reader.start()
        reader.join()
        return valid

    assert shape(program).result == [False]


def test_a_task_started_by_a_tool_outlives_it(shape: Shapes, tracer: trace.Tracer) -> None:
    """A fire-and-forget task has the context of the tool, and its own chain is still a tree."""

    async def program() -> object:
        tasks: list[asyncio.Task[Any]] = []

        @tool("work")
        async def work(x: str) -> str:
            """Starts something."""
            tasks.append(asyncio.create_task(ScriptedLLM().ainvoke(x)))
            return x

        await work.ainvoke("q")
        return await tasks[0]

    seen = shape(program)
    assert seen.result == "echo q"
    assert seen.outline == ["tool work", "  llm ScriptedLLM"]
