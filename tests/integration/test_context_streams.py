"""Streams: the run's span is current while a chunk is made, and never between two chunks."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableGenerator, RunnableLambda
from opentelemetry import context as otel_context

from support.instrumented import Instrumented, instrumented
from support.probes import CHUNKS, ProbeChat, ProbeLLM

Models = pytest.mark.parametrize("model", [ProbeChat, ProbeLLM])
Model = type[ProbeChat | ProbeLLM]
ANSWER = "".join(CHUNKS)


@pytest.fixture
def traced(caplog: pytest.LogCaptureFixture) -> Iterator[Instrumented]:
    with instrumented(caplog) as made:
        yield made


def text(chunk: Any) -> str:
    return chunk if isinstance(chunk, str) else str(chunk.content)


def mark(traced: Instrumented, name: str = "between") -> None:
    """A span of the reader's own, which is none of the stream's."""
    with traced.tracer.start_as_current_span(name):
        pass


def in_a_loop(work: Callable[[], Any]) -> Any:
    """Run a coroutine whose context has to end as it began."""

    async def watched() -> Any:
        before = otel_context.get_current()
        result = await work()
        assert otel_context.get_current() is before
        return result

    return asyncio.run(watched())


@Models
def test_a_stream(traced: Instrumented, model: Model) -> None:
    chunks: list[str] = []
    for chunk in model(tracer=traced.tracer).stream("q"):
        chunks.append(text(chunk))
        mark(traced)
    assert "".join(chunks) == ANSWER
    assert set(traced.parents_of("between")) == {"nothing"}
    assert traced.parents_of("http stream") == [model.__name__] * 3


@Models
def test_an_async_stream(traced: Instrumented, model: Model) -> None:
    async def work() -> None:
        chunks: list[str] = []
        async for chunk in model(tracer=traced.tracer).astream("q"):
            chunks.append(text(chunk))
            mark(traced)
        assert "".join(chunks) == ANSWER

    in_a_loop(work)
    assert set(traced.parents_of("between")) == {"nothing"}
    assert traced.parents_of("http astream") == [model.__name__] * 3


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_model_that_cannot_stream(traced: Instrumented, way: str) -> None:
    class Whole(ProbeChat):
        _stream = BaseChatModel._stream
        _astream = BaseChatModel._astream

    chat = Whole(tracer=traced.tracer)

    async def work() -> list[Any]:
        return [chunk async for chunk in chat.astream("q")]

    chunks = list(chat.stream("q")) if way == "stream" else in_a_loop(work)
    assert "".join(map(text, chunks)) == "answer"
    call = "http generate" if way == "stream" else "http agenerate"
    assert traced.paths() == ["Whole", f"Whole > {call}"]


@Models
def test_interleaved_streams(traced: Instrumented, model: Model) -> None:
    one, two = (model(tracer=traced.tracer, name=name).stream("q") for name in ("one", "two"))
    for _ in range(2):
        next(one)
        next(two)
        mark(traced)
    list(one)
    mark(traced)
    list(two)
    assert set(traced.parents_of("between")) == {"nothing"}
    runs = [span for span in traced.spans if span.name not in {"between", "http stream"}]
    assert len({span.context.trace_id for span in runs}) == 2
    for run in runs:
        children = [s for s in traced.spans if s.parent and s.parent.span_id == run.context.span_id]
        assert [child.name for child in children] == ["http stream"] * 3


@Models
def test_interleaved_async_streams(traced: Instrumented, model: Model) -> None:
    async def work() -> None:
        one, two = (model(tracer=traced.tracer).astream("q") for _ in range(2))
        for _ in range(2):
            await anext(one)
            await anext(two)
            mark(traced)
        async for _ in two:
            pass
        async for _ in one:
            pass

    in_a_loop(work)
    assert set(traced.parents_of("between")) == {"nothing"}
    assert traced.parents_of("http astream") == [model.__name__] * 6
    assert len({span.context.trace_id for span in traced.spans}) == 4


@Models
@pytest.mark.parametrize("end", ["close", "drop"])
def test_an_abandoned_stream(traced: Instrumented, model: Model, end: str) -> None:
    stream = model(tracer=traced.tracer).stream("q")
    next(stream)
    if end == "close":
        stream.close()
    del stream
    gc.collect()
    mark(traced, "after")
    assert traced.parents_of("after") == ["nothing"]
    assert traced.parents_of("http stream") == [model.__name__]


@Models
@pytest.mark.parametrize("end", ["aclose", "drop", "another task", "loop"])
def test_an_abandoned_async_stream(traced: Instrumented, model: Model, end: str) -> None:
    kept: list[Any] = []

    async def work() -> None:
        stream = model(tracer=traced.tracer).astream("q")
        await anext(stream)
        if end == "aclose":
            await stream.aclose()
        elif end == "another task":
            await asyncio.create_task(stream.aclose())
        elif end == "loop":
            kept.append(stream)  # for the event loop to close at its end
        del stream
        gc.collect()
        await asyncio.sleep(0.01)
        mark(traced, "after")

    in_a_loop(work)
    assert traced.parents_of("after") == ["nothing"]
    assert traced.parents_of("http astream") == [model.__name__]


@Models
def test_a_stream_finished_in_another_thread(traced: Instrumented, model: Model) -> None:
    stream = model(tracer=traced.tracer).stream("q")
    chunks = [next(stream)]
    contexts: list[bool] = []

    def finish() -> None:
        before = otel_context.get_current()
        chunks.extend(stream)
        contexts.append(otel_context.get_current() is before)

    thread = threading.Thread(target=finish)
    thread.start()
    thread.join()
    assert contexts == [True]
    assert "".join(map(text, chunks)) == ANSWER
    assert traced.parents_of("http stream") == [model.__name__] * 3


@Models
def test_an_async_stream_read_by_a_task_each(traced: Instrumented, model: Model) -> None:
    async def work() -> None:
        stream = model(tracer=traced.tracer).astream("q")
        chunks = [await asyncio.create_task(anext(stream)) for _ in CHUNKS]
        chunks += [chunk async for chunk in stream]
        assert "".join(map(text, chunks)) == ANSWER

    in_a_loop(work)
    assert traced.parents_of("http astream") == [model.__name__] * 3


def test_a_stream_that_fails(traced: Instrumented) -> None:
    class Failing(ProbeChat):
        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            yield next(super()._stream(*args, **kwargs))
            raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        list(Failing(tracer=traced.tracer).stream("q"))
    assert traced.paths() == ["Failing", "Failing > http stream"]


def test_a_span_open_across_chunks_stays_inside_and_is_the_parent_there(
    traced: Instrumented,
) -> None:
    """As of a client that holds one request open for the whole stream."""

    class Held(ProbeChat):
        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            with self.tracer.start_as_current_span("request"):
                yield from super()._stream(*args, **kwargs)

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            with self.tracer.start_as_current_span("request"):
                async for chunk in super()._astream(*args, **kwargs):
                    yield chunk

    async def work() -> None:
        async for _ in Held(tracer=traced.tracer).astream("q"):
            mark(traced)

    for _ in Held(tracer=traced.tracer).stream("q"):
        mark(traced)
    in_a_loop(work)
    assert set(traced.parents_of("between")) == {"nothing"}
    assert traced.parents_of("request") == ["Held", "Held"]
    assert set(traced.parents_of("http stream")) == {"request"}
    assert set(traced.parents_of("http astream")) == {"request"}


@pytest.mark.parametrize("end", ["close", "drop"])
def test_abandoning_a_span_open_across_chunks_leaves_nothing_attached(
    traced: Instrumented, end: str
) -> None:
    class Held(ProbeChat):
        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            with self.tracer.start_as_current_span("request"):
                yield from super()._stream(*args, **kwargs)

    stream = Held(tracer=traced.tracer).stream("q")
    next(stream)
    if end == "close":
        stream.close()
    del stream
    gc.collect()
    mark(traced, "after")
    assert traced.parents_of("after") == ["nothing"]
    assert traced.parents_of("request") == ["Held"]


def test_a_chain_of_generators(traced: Instrumented) -> None:
    def upper(chunks: Iterator[Any]) -> Iterator[str]:
        for chunk in chunks:
            mark(traced, "http upper")
            yield text(chunk).upper()

    async def aupper(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for chunk in chunks:
            mark(traced, "http aupper")
            yield text(chunk).upper()

    chat = ProbeChat(tracer=traced.tracer)
    chain = chat | RunnableGenerator(upper, aupper, name="upper")

    async def work() -> None:
        chunks: list[str] = []
        async for chunk in chain.astream("q"):
            chunks.append(chunk)
            mark(traced)
        assert "".join(chunks) == ANSWER.upper()

    chunks: list[str] = []
    for chunk in chain.stream("q"):
        chunks.append(chunk)
        mark(traced)
    assert "".join(chunks) == ANSWER.upper()
    in_a_loop(work)
    assert set(traced.parents_of("between")) == {"nothing"}
    assert set(traced.parents_of("http stream")) == {"ProbeChat"}
    assert set(traced.parents_of("http astream")) == {"ProbeChat"}
    assert set(traced.parents_of("http upper")) == {"upper"}
    assert set(traced.parents_of("http aupper")) == {"upper"}


@pytest.mark.parametrize("end", ["close", "drop"])
def test_an_abandoned_chain(traced: Instrumented, end: str) -> None:
    chain = RunnableLambda(str, name="first") | ProbeChat(tracer=traced.tracer)
    stream = chain.stream("q")
    next(stream)
    if end == "close":
        stream.close()
    del stream
    gc.collect()
    mark(traced, "after")
    assert traced.parents_of("after") == ["nothing"]
    assert traced.parents_of("http stream") == ["ProbeChat"]


def test_events(traced: Instrumented) -> None:
    chain = RunnableLambda(str, name="first") | ProbeChat(tracer=traced.tracer)

    async def work() -> None:
        events: list[str] = []
        async for event in chain.astream_events("q", version="v2"):
            events.append(event["event"])
            mark(traced)
        assert events.count("on_chat_model_stream") >= len(CHUNKS)

    in_a_loop(work)
    assert set(traced.parents_of("between")) == {"nothing"}
    assert set(traced.parents_of("http astream")) == {"ProbeChat"}


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.skipif(not hasattr(BaseChatModel, "stream_events"), reason="before langchain-core 1")
def test_protocol_events(traced: Instrumented) -> None:
    chat = ProbeChat(tracer=traced.tracer)

    async def work() -> None:
        stream = await chat.astream_events("q", version="v3")
        async for _ in stream.text:
            mark(traced)
        await stream.output

    for _ in chat.stream_events("q", version="v3").text:
        mark(traced)
    in_a_loop(work)
    assert set(traced.parents_of("between")) == {"nothing"}
    assert set(traced.parents_of("http stream")) == {"ProbeChat"}
    assert set(traced.parents_of("http astream")) == {"ProbeChat"}


def test_streams_are_the_generators_that_they_were(traced: Instrumented) -> None:
    for model in (BaseChatModel, BaseLLM):
        assert inspect.isgeneratorfunction(model.stream)
        assert inspect.isasyncgenfunction(model.astream)
    chat = ProbeChat(tracer=traced.tracer)
    assert inspect.isgeneratorfunction(chat.stream)
    assert inspect.isasyncgenfunction(chat.astream)
    stream, astream = chat.stream("q"), chat.astream("q")
    assert inspect.isgenerator(stream)
    assert inspect.isasyncgen(astream)
    stream.close()  # never begun: no run
    in_a_loop(astream.aclose)
    with pytest.raises(TypeError):
        chat.stream(1, 2, 3)  # type: ignore[misc]
    assert traced.spans == []


def test_what_is_thrown_in_arrives(traced: Instrumented) -> None:
    class ThrownError(Exception):
        pass

    chat = ProbeChat(tracer=traced.tracer)

    async def work() -> None:
        stream = chat.astream("q")
        await anext(stream)
        with pytest.raises(ThrownError):
            await stream.athrow(ThrownError())

    stream: Any = chat.stream("q")
    next(stream)
    with pytest.raises(ThrownError):
        stream.throw(ThrownError())
    in_a_loop(work)
    runs = [span for span in traced.spans if span.parent is None]
    errors = [str((span.attributes or {})["error.type"]) for span in runs]
    assert [error.rpartition(".")[2] for error in errors] == ["ThrownError", "ThrownError"]


def test_a_loop_that_dies_with_a_read_under_way(traced: Instrumented) -> None:
    """The coroutine of the read is closed by nobody but the garbage collector."""

    class Stuck(ProbeChat):
        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            self.probe("http astream")
            await asyncio.Event().wait()
            raise AssertionError
            yield

    stream = Stuck(tracer=traced.tracer).astream("q")
    read = anext(stream)
    loop = asyncio.new_event_loop()
    task = loop.create_task(read)
    loop.run_until_complete(asyncio.sleep(0.01))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    gc.collect()
    mark(traced, "after")
    assert traced.parents_of("after") == ["nothing"]
    assert traced.parents_of("http astream") == ["Stuck"]
