"""Runs that do not come to their own end: cancelled, interrupted, closed early, given up."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import Field

from support.shape_parts import TurnsModel
from support.shapes import Raised, Shapes


class Waiting(FakeListChatModel):
    """Answers when it is told to, which it is not."""

    responses: list[str] = Field(default_factory=lambda: ["never"])
    asked: Any = None

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def cancelled(work: Any, begun: asyncio.Event) -> str:
    """Cancels the work once it has begun."""
    task = asyncio.ensure_future(work)
    await begun.wait()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "ran to its end"


def test_a_cancelled_model(shape: Shapes) -> None:
    async def program() -> str:
        begun = asyncio.Event()
        return await cancelled(Waiting(asked=begun).ainvoke("q"), begun)

    seen = shape(program, witnessed=False)
    assert seen.result == "cancelled"
    assert seen.outline == ["llm Waiting"]
    assert seen.run("Waiting")["status"] in {"error", "unfinished"}


def test_a_cancelled_chain(shape: Shapes) -> None:
    async def program() -> str:
        begun = asyncio.Event()
        chain = RunnableLambda(str).with_config(run_name="first") | Waiting(asked=begun)
        return await cancelled(chain.ainvoke("q"), begun)

    seen = shape(program, witnessed=False)
    assert seen.result == "cancelled"
    assert seen.outline == ["chain RunnableSequence", "  chain first", "  llm Waiting"]
    assert seen.end("RunnableSequence")["error_type"].endswith("CancelledError")
    assert seen.run("Waiting")["status"] in {"error", "unfinished"}


class Looking(BaseRetriever):
    """Finds nothing, ever; or is stopped by a key."""

    begun: Any = None

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        raise KeyboardInterrupt

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.begun.set()
        await asyncio.Event().wait()
        return []


@pytest.mark.parametrize("how", ["interrupted", "cancelled"])
def test_a_retriever_that_is_stopped(shape: Shapes, how: str) -> None:
    async def cancel() -> str:
        begun = asyncio.Event()
        return await cancelled(Looking(begun=begun).ainvoke("q"), begun)

    seen = shape(cancel if how == "cancelled" else lambda: Looking().invoke("q"), witnessed=False)
    assert seen.outline == ["retriever Looking"]
    assert seen.run("Looking")["status"] in {"error", "unfinished"}


def test_a_cancelled_tool(shape: Shapes) -> None:
    async def program() -> str:
        begun = asyncio.Event()

        @tool
        async def wait(x: str) -> str:
            """Waits."""
            begun.set()
            await asyncio.Event().wait()
            return x

        return await cancelled(wait.ainvoke("q"), begun)

    seen = shape(program)
    assert seen.result == "cancelled"
    assert seen.actions == ["on_tool_start", "on_tool_error"]
    assert seen.end("wait")["error_type"].endswith("CancelledError")


def test_a_time_limit(shape: Shapes) -> None:
    async def program() -> str:
        async def forever(x: str) -> str:
            await asyncio.Event().wait()
            return x

        try:
            await asyncio.wait_for(RunnableLambda(forever).ainvoke("q"), 0.01)
        except asyncio.TimeoutError:
            return "too late"
        return "in time"

    seen = shape(program)
    assert seen.result == "too late"
    assert seen.actions == ["on_chain_start", "on_chain_error"]
    assert seen.end("forever")["error_type"].endswith("CancelledError")


def test_a_cancelled_stream(shape: Shapes) -> None:
    async def program() -> str:
        begun = asyncio.Event()

        async def slow(text: Any) -> Any:
            async for each in text:
                yield each
                begun.set()
                await asyncio.Event().wait()

        async def read() -> None:
            async for _ in (RunnableLambda(str) | slow).astream("q"):
                pass

        return await cancelled(read(), begun)

    seen = shape(program)
    assert seen.result == "cancelled"
    assert seen.end("RunnableSequence")["action"] == "on_chain_error"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_more_than_an_exception_in_a_tool(shape: Shapes, error: type[BaseException]) -> None:
    @tool
    def stop(x: str) -> str:
        """Stops everything."""
        raise error("stop")

    seen = shape(
        lambda: RunnableLambda(lambda x: stop.invoke(x)).with_config(run_name="outer").invoke("q")
    )
    assert seen.result == Raised(error.__name__, "stop")
    assert seen.end("outer")["action"] == "on_chain_error"
    assert seen.run("stop")["status"] in {"error", "unfinished"}
    assert seen.end("outer")["error_type"].endswith(error.__name__)


def test_more_than_an_exception_in_a_model(shape: Shapes) -> None:
    seen = shape(lambda: TurnsModel(turns=[KeyboardInterrupt("stop")]).invoke("q"))
    assert seen.result == Raised("KeyboardInterrupt", "stop")
    assert seen.end("TurnsModel")["error_type"].endswith("KeyboardInterrupt")


def pieces() -> TurnsModel:
    return TurnsModel(pieces=[AIMessageChunk(letter) for letter in "abc"])


def test_a_stream_that_nobody_reads_on(shape: Shapes) -> None:
    def program() -> object:
        stream = (pieces() | StrOutputParser()).stream("q")
        first = next(stream)
        del stream
        gc.collect()
        return first

    seen = shape(program)
    assert seen.result == "a"
    # LangChain says that such a chain came to its end
    assert seen.end("RunnableSequence")["action"] == "on_chain_end"


def test_an_async_stream_that_nobody_reads_on(shape: Shapes) -> None:
    async def program() -> object:
        stream = (pieces() | StrOutputParser()).astream("q")
        first = await anext(stream)
        del stream
        gc.collect()
        await asyncio.sleep(0)
        return first

    seen = shape(program)
    assert seen.result == "a"


def test_a_stream_that_is_never_begun(shape: Shapes) -> None:
    def program() -> str:
        (pieces() | StrOutputParser()).stream("q")
        return "not read"

    seen = shape(program)
    assert seen.actions == []


def test_a_stream_closed_from_another_task(shape: Shapes) -> None:
    async def program() -> object:
        stream = pieces().astream("q")
        first = await anext(stream)
        await asyncio.create_task(stream.aclose())
        return first.content

    seen = shape(program)
    assert seen.result == "a"
    assert seen.end("TurnsModel")["error_type"].endswith("GeneratorExit")


def test_a_batch_whose_other_member_fails(shape: Shapes) -> None:
    async def program() -> object:
        async def work(x: int) -> int:
            if x:
                raise ValueError("one of them")
            await asyncio.sleep(0)
            return x

        return await RunnableLambda(work).with_config(run_name="work").abatch([0, 1])

    seen = shape(program)
    assert seen.result == Raised("ValueError", "one of them")
    assert sorted(run["status"] for run in seen.runs) == ["error", "ok"]


def test_a_fallback_in_the_middle_of_a_stream(shape: Shapes) -> None:
    def program() -> list[str]:
        broken = FakeListChatModel(responses=["abc"], error_on_chunk_number=0)
        saved = broken.with_fallbacks([FakeListChatModel(responses=["ok"])])
        return [str(chunk.content) for chunk in saved.stream("q")]

    seen = shape(program)
    assert "".join(seen.result) == "ok"
    assert seen.run("FakeListChatModel", 0)["status"] == "error"
    assert seen.pairs[-1] == ("Human: q", "ok")
