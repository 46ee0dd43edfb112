"""Spans that a run's own code makes are children of the run: chains, tools, models, retrievers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import (
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
)
from langchain_core.tools import BaseTool, StructuredTool
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span

from clearml_otel.langchain import LangChainInstrumentor, LangChainSpanHandler
from support.instrumented import Instrumented, instrumented
from support.probes import ProbeChat, ProbeLLM, ProbeRetriever

Ways = pytest.mark.parametrize("way", ["invoke", "ainvoke"])


@pytest.fixture
def traced(caplog: pytest.LogCaptureFixture) -> Iterator[Instrumented]:
    with instrumented(caplog) as made:
        yield made


def run(runnable: Any, way: str, given: Any = "q", config: Any = None) -> Any:
    """Invoke in the way named, in the main thread or its event loop."""
    called = getattr(runnable, way)(given, config)
    if not way.startswith("a"):
        return called

    async def awaited() -> Any:
        before = otel_context.get_current()
        result = await called
        assert otel_context.get_current() is before
        return result

    return asyncio.run(awaited())


def probing(traced: Instrumented, name: str, inner: Any = None) -> Callable[[Any], Any]:
    """A function that makes a span, and then calls something in it or after it."""

    def work(given: Any) -> Any:
        with traced.tracer.start_as_current_span(name):
            pass
        return inner.invoke(given) if inner is not None else given

    return work


def lookup(traced: Instrumented, inner: Any = None) -> BaseTool:
    """A tool that makes a span and, if told so, calls a chain."""

    def work(q: str) -> str:
        """Looks up."""
        return str(probing(traced, "http", inner)(q))

    async def awork(q: str) -> str:
        await asyncio.sleep(0)
        with traced.tracer.start_as_current_span("http"):
            pass
        return str(await inner.ainvoke(q)) if inner is not None else q

    return StructuredTool.from_function(work, coroutine=awork, name="lookup", description="Looks.")


@Ways
def test_a_tool(traced: Instrumented, way: str) -> None:
    assert run(lookup(traced), way, {"q": "x"}) == "x"
    assert traced.paths() == ["lookup", "lookup > http"]


def test_a_sync_tool_in_an_executor(traced: Instrumented) -> None:
    def work(q: str) -> str:
        """Looks up."""
        return str(probing(traced, "http")(q))

    run(StructuredTool.from_function(work, name="lookup"), "ainvoke", {"q": "x"})
    assert traced.paths() == ["lookup", "lookup > http"]


@Ways
def test_a_tool_that_fails(traced: Instrumented, way: str) -> None:
    def work(q: str) -> str:
        """Fails."""
        probing(traced, "http")(q)
        raise ValueError(q)

    with pytest.raises(ValueError, match="x"):
        run(StructuredTool.from_function(work, name="lookup"), way, {"q": "x"})
    assert traced.paths() == ["lookup", "lookup > http"]


@Ways
def test_a_chain_that_a_tool_calls_is_below_the_tool(traced: Instrumented, way: str) -> None:
    chain = RunnableLambda(probing(traced, "inner")).with_config(run_name="chain")
    run(lookup(traced, chain | ProbeLLM(tracer=traced.tracer)), way, {"q": "x"})
    model = "http generate" if way == "invoke" else "http agenerate"
    assert traced.paths() == [
        "lookup",
        "lookup > RunnableSequence",
        "lookup > RunnableSequence > ProbeLLM",
        f"lookup > RunnableSequence > ProbeLLM > {model}",
        "lookup > RunnableSequence > chain",
        "lookup > RunnableSequence > chain > inner",
        "lookup > http",
    ]


@pytest.mark.parametrize("model", [ProbeChat, ProbeLLM])
@Ways
def test_a_model(traced: Instrumented, model: type[ProbeChat | ProbeLLM], way: str) -> None:
    run(model(tracer=traced.tracer), way)
    name, call = model.__name__, "http generate" if way == "invoke" else "http agenerate"
    assert traced.paths() == [name, f"{name} > {call}"]


@Ways
def test_a_model_that_fails(traced: Instrumented, way: str) -> None:
    class Failing(ProbeChat):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            return self._generate(*args, **kwargs)

    with pytest.raises(ValueError, match="no answer"):
        run(Failing(tracer=traced.tracer, fails=True), way)
    assert traced.paths() == ["Failing", "Failing > http generate"]


def test_prompts_of_one_call_share_the_first_ones_span(traced: Instrumented) -> None:
    ProbeLLM(tracer=traced.tracer).generate(["a", "b", "c"])
    assert traced.paths() == ["ProbeLLM", "ProbeLLM", "ProbeLLM", "ProbeLLM > http generate"]


@pytest.mark.parametrize("way", ["generate", "agenerate"])
def test_conversations_of_one_call_have_a_span_each(traced: Instrumented, way: str) -> None:
    chat = ProbeChat(tracer=traced.tracer)
    called = getattr(chat, way)([[HumanMessage("a")], [HumanMessage("b")]])
    if way == "agenerate":

        async def awaited() -> Any:
            return await called

        asyncio.run(awaited())
    assert traced.paths() == ["ProbeChat", "ProbeChat", *[f"ProbeChat > http {way}"] * 2]
    assert len({span.context.trace_id for span in traced.spans}) == 2


@Ways
def test_a_retriever(traced: Instrumented, way: str) -> None:
    run(ProbeRetriever(tracer=traced.tracer), way)
    name = "db search" if way == "invoke" else "db asearch"
    assert traced.paths() == ["ProbeRetriever", f"ProbeRetriever > {name}"]


@Ways
def test_a_retriever_in_a_retriever(traced: Instrumented, way: str) -> None:
    class Outer(ProbeRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
            self.probe("before")
            found = ProbeRetriever(tracer=self.tracer).invoke(
                query, {"callbacks": run_manager.get_child()}
            )
            self.probe("after")
            return found

        async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
            self.probe("before")
            found = await ProbeRetriever(tracer=self.tracer).ainvoke(
                query, {"callbacks": run_manager.get_child()}
            )
            self.probe("after")
            return found

    run(Outer(tracer=traced.tracer), way)
    db = "db search" if way == "invoke" else "db asearch"
    assert traced.paths() == [
        "Outer",
        "Outer > ProbeRetriever",
        f"Outer > ProbeRetriever > {db}",
        "Outer > after",
        "Outer > before",
    ]


@Ways
def test_a_parallel_and_a_branch(traced: Instrumented, way: str) -> None:
    left = RunnableLambda(probing(traced, "http left"), name="left")
    right = RunnableLambda(probing(traced, "http right"), name="right")
    branch = RunnableBranch((lambda given: True, right), left)
    run(RunnableParallel(a=left, b=branch), way)
    assert traced.parents_of("http left") == ["left"]
    assert traced.parents_of("http right") == ["right"]
    assert traced.parents_of("right") == ["RunnableBranch"]
    assert len({span.context.trace_id for span in traced.spans}) == 1


@Ways
def test_fallbacks_and_retries(traced: Instrumented, way: str) -> None:
    tries: list[str] = []

    def flaky(given: str) -> str:
        probing(traced, "http flaky")(given)
        tries.append(given)
        if len(tries) < 3:
            raise ValueError(given)
        return given

    retried = (
        RunnableLambda(flaky)
        .with_config(run_name="flaky")
        .with_retry(wait_exponential_jitter=False, stop_after_attempt=2)
    )
    chain = retried.with_fallbacks([RunnableLambda(flaky).with_config(run_name="fallback")])
    run(chain, way)
    assert len(tries) == 3
    assert set(traced.parents_of("http flaky")) == {"flaky", "fallback"}


@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_a_batch_with_an_error(traced: Instrumented, way: str) -> None:
    def work(given: str) -> str:
        probing(traced, f"http {given}")(given)
        if given == "b":
            raise ValueError(given)
        return given

    chain = RunnableLambda(work).with_config(run_name="chain") | ProbeLLM(tracer=traced.tracer)
    called = getattr(chain, way)(["a", "b", "c"], return_exceptions=True)
    if way == "abatch":

        async def awaited() -> Any:
            return await called

        called = asyncio.run(awaited())
    assert [str(each) for each in called] == ["a", "b", "c"]
    for letter in "abc":
        assert traced.parents_of(f"http {letter}") == ["chain"]
    assert len({span.context.trace_id for span in traced.spans}) == 3
    # what comes afterwards is none of theirs
    with traced.tracer.start_as_current_span("after"):
        pass
    assert traced.parents_of("after") == ["nothing"]


def test_threads_that_copy_the_context(traced: Instrumented) -> None:
    chain = RunnableLambda(probing(traced, "http")).with_config(run_name="chain")
    with traced.tracer.start_as_current_span("request"):
        chain.batch(["a", "b", "c"])
    assert traced.paths() == sorted(
        ["request", *["request > chain"] * 3, *["request > chain > http"] * 3]
    )


def test_threads_that_do_not_copy_the_context_begin_new_traces(traced: Instrumented) -> None:
    """Nobody can know what a bare thread belongs to; below its root everything is as usual."""
    chain = RunnableLambda(probing(traced, "http")).with_config(run_name="chain")
    with traced.tracer.start_as_current_span("request"), ThreadPoolExecutor(2) as pool:
        list(pool.map(chain.invoke, ["a", "b"]))
    assert traced.paths() == ["chain", "chain", "chain > http", "chain > http", "request"]
    assert len({span.context.trace_id for span in traced.spans}) == 3


def test_many_threads_and_tasks(traced: Instrumented) -> None:
    def work(given: int) -> int:
        with traced.tracer.start_as_current_span(f"http {given}"):
            return given

    def chain(number: int) -> Any:
        return RunnableLambda(work).with_config(run_name=f"chain {number}")

    async def gathered() -> None:
        await asyncio.gather(*(chain(n).ainvoke(n) for n in range(50, 100)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: chain(n).invoke(n), range(50)))
    asyncio.run(gathered())
    for number in range(100):
        assert traced.parents_of(f"http {number}") == [f"chain {number}"]


@Ways
def test_the_applications_span_outside_is_the_parent(traced: Instrumented, way: str) -> None:
    chain = RunnableLambda(probing(traced, "http")).with_config(run_name="chain")
    with traced.tracer.start_as_current_span("request"):
        run(chain, way)
    assert traced.paths() == ["request", "request > chain", "request > chain > http"]


def test_the_applications_span_inside_is_the_parent_of_what_it_calls(
    traced: Instrumented,
) -> None:
    inner = RunnableLambda(probing(traced, "http")).with_config(run_name="inner")

    def work(given: str) -> Any:
        with traced.tracer.start_as_current_span("business"):
            return inner.invoke(given)

    RunnableLambda(work).with_config(run_name="outer").invoke("q")
    assert traced.paths() == [
        "outer",
        "outer > business",
        "outer > business > inner",
        "outer > business > inner > http",
    ]


@pytest.mark.parametrize("stray", ["ended", "other trace"])
def test_a_span_inside_that_is_no_span_of_the_run_parents_nothing(
    traced: Instrumented, stray: str
) -> None:
    inner = RunnableLambda(str).with_config(run_name="inner")

    def work(given: str) -> Any:
        where = otel_context.Context() if stray == "other trace" else None
        span: Span = traced.tracer.start_span("stray", where)
        with trace.use_span(span, end_on_exit=stray != "ended"):
            if stray == "ended":
                span.end()
            return inner.invoke(given)

    RunnableLambda(work).with_config(run_name="outer").invoke("q")
    assert traced.parents_of("inner") == ["outer"]


def test_baggage_of_the_application_gets_through(traced: Instrumented) -> None:
    key = otel_context.create_key("baggage")
    seen: list[object] = []
    token = otel_context.attach(otel_context.set_value(key, "kept"))
    RunnableLambda(lambda given: seen.append(otel_context.get_value(key))).invoke("q")
    otel_context.detach(token)
    assert seen == ["kept"]


@pytest.mark.parametrize("shape", ["chain", "tool", "chat", "retriever", "stream"])
def test_a_cancelled_run(traced: Instrumented, shape: str) -> None:
    class Slow(ProbeChat):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            return await forever()

        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            await forever()
            yield

    class SlowRetriever(ProbeRetriever):
        async def _aget_relevant_documents(self, *args: Any, **kwargs: Any) -> Any:
            return await forever()

    async def cancelled() -> None:
        before = otel_context.get_current()
        tool = StructuredTool.from_function(coroutine=look, name="tool", description="Looks.")
        slow = Slow(tracer=traced.tracer)
        calls: dict[str, Callable[[], Any]] = {
            "chain": lambda: RunnableLambda(forever).ainvoke("q"),
            "tool": lambda: tool.ainvoke({"q": "x"}),
            "chat": lambda: slow.ainvoke("q"),
            "retriever": lambda: SlowRetriever(tracer=traced.tracer).ainvoke("q"),
            "stream": lambda: anext(slow.astream("q")),
        }
        task = asyncio.create_task(calls[shape]())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert otel_context.get_current() is before
        with traced.tracer.start_as_current_span("after"):
            pass

    async def look(q: str) -> Any:
        return await forever()

    async def forever(*_: Any) -> Any:
        traced.tracer.start_span("http").end()
        begun.set()
        await asyncio.Event().wait()

    begun = asyncio.Event()
    asyncio.run(cancelled())
    assert traced.parents_of("after") == ["nothing"]
    assert traced.parents_of("http") != ["nothing"]
    assert len(traced.spans) == 3


def test_a_handler_passed_by_hand_has_its_spans_current(traced: Instrumented) -> None:
    handler = LangChainSpanHandler(traced.provider)
    chain = RunnableLambda(probing(traced, "http")).with_config(run_name="chain")
    (chain | ProbeChat(tracer=traced.tracer)).invoke("q", {"callbacks": [handler]})
    assert traced.paths() == [
        "RunnableSequence",
        "RunnableSequence > ProbeChat",
        "RunnableSequence > ProbeChat > http generate",
        "RunnableSequence > chain",
        "RunnableSequence > chain > http",
    ]
    assert len(handler.spans) == 0


def test_sampled_out_runs_sample_out_what_is_inside(caplog: pytest.LogCaptureFixture) -> None:
    with instrumented(caplog, ALWAYS_OFF) as made:
        seen: list[bool] = []

        def work(given: str) -> str:
            with made.tracer.start_as_current_span("http") as span:
                seen.append(span.get_span_context().trace_flags.sampled)
            return given

        run(RunnableLambda(work) | ProbeChat(tracer=made.tracer), "invoke")
        list(ProbeChat(tracer=made.tracer).stream("q"))
        assert seen == [False]
        assert made.spans == []


def test_nothing_is_attached_once_uninstrumented(traced: Instrumented) -> None:
    chat = ProbeChat(tracer=traced.tracer)
    stream = chat.stream("q")
    next(stream)
    handler = traced.handler
    LangChainInstrumentor().uninstrument()
    list(stream)
    chat.invoke("q")
    RunnableLambda(probing(traced, "http")).invoke("q")
    LangChainInstrumentor().instrument(tracer_provider=traced.provider, complexity_metrics=False)
    assert len(handler.spans) == 0
    assert traced.parents_of("http") == ["nothing"]
    assert traced.parents_of("http generate") == ["nothing"]
