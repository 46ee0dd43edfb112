"""Chat models whose answers come in pieces: one row an answer, with its tokens and times."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda

from support.shape_parts import USAGE, TurnsModel
from support.shapes import Raised, Seen, Shapes, warnings_ignored


def pieces() -> list[AIMessageChunk]:
    return [
        AIMessageChunk("Hel"),
        AIMessageChunk("lo"),
        AIMessageChunk("", usage_metadata=USAGE, response_metadata={"finish_reason": "stop"}),
    ]


def assert_streamed(seen: Seen, tokens: int) -> None:
    assert seen.pairs == [("Human: q", "Hello")]
    assert seen.tokens == [(5, 2, 7)]
    end = seen.rows("on_llm_end")[0]
    assert end["generation_info_finish_reason"] == "stop"
    run = seen.run("TurnsModel")
    assert run["stream_tokens"] == end["llm_streams"] == tokens
    assert 0 <= run["time_to_first_chunk_s"] <= run["duration_s"]


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_a_stream_with_usage(shape: Shapes, how: str) -> None:
    async def astream() -> str:
        found = [str(chunk.content) async for chunk in TurnsModel(pieces=pieces()).astream("q")]
        return "".join(found)

    def stream() -> str:
        return "".join(str(chunk.content) for chunk in TurnsModel(pieces=pieces()).stream("q"))

    seen = shape(astream if how == "astream" else stream)
    assert seen.result == "Hello"
    assert seen.actions == ["on_llm_start", "on_llm_end"]
    # LangChain sends its own last, empty chunk too
    assert_streamed(seen, seen.run("TurnsModel")["stream_tokens"])
    assert 2 <= seen.run("TurnsModel")["stream_tokens"] <= 4


def test_a_stream_through_a_chain(shape: Shapes) -> None:
    def program() -> list[str]:
        chain = TurnsModel(pieces=pieces()) | StrOutputParser()
        return [chunk for chunk in chain.stream("q") if chunk]

    seen = shape(program)
    assert seen.result == ["Hel", "lo"]
    assert seen.outline == ["chain RunnableSequence", "  llm TurnsModel", "  chain StrOutputParser"]
    assert seen.io("RunnableSequence")[1] == "Hello"
    assert seen.io("StrOutputParser")[1] == "Hello"
    assert seen.pairs == [("Human: q", "Hello")]


def test_events_v2(shape: Shapes) -> None:
    async def program() -> list[str]:
        chain = TurnsModel(pieces=pieces()) | StrOutputParser()
        return [event["event"] async for event in chain.astream_events("q", version="v2")]

    seen = shape(program)
    assert seen.result[0] == "on_chain_start"
    assert seen.outline == ["chain RunnableSequence", "  llm TurnsModel", "  chain StrOutputParser"]
    assert seen.pairs == [("Human: q", "Hello")]
    assert seen.tokens == [(5, 2, 7)]


def test_events_v3(shape: Shapes) -> None:
    def program() -> list[str]:
        with warnings_ignored():
            events = TurnsModel(pieces=pieces()).stream_events("q", version="v3")
            return [event["event"] for event in events]

    seen = shape(program)
    assert seen.result[0] == "message-start"
    assert seen.actions == ["on_llm_start", "on_llm_end"]
    assert_streamed(seen, 2)


def test_events_v3_async(shape: Shapes) -> None:
    async def program() -> list[str]:
        with warnings_ignored():
            stream = await TurnsModel(pieces=pieces()).astream_events("q", version="v3")
            return [event["event"] async for event in stream]

    seen = shape(program)
    assert seen.result[-1] == "message-finish"
    # LangChain sends an error after the end here, which is no second run
    assert seen.actions == ["on_llm_start", "on_llm_end"]
    assert_streamed(seen, 2)


def test_a_streamed_tool_call(shape: Shapes) -> None:
    def program() -> object:
        found: Any = None
        calls = [
            AIMessageChunk(
                "",
                tool_call_chunks=[tool_call_chunk(name="weather", args='{"ci', id="c1", index=0)],
            ),
            AIMessageChunk("", tool_call_chunks=[tool_call_chunk(args='ty": "Rome"}', index=0)]),
        ]
        for chunk in TurnsModel(pieces=calls).stream("sun?"):
            found = chunk if found is None else found + chunk
        return found.tool_calls[0]["args"]

    seen = shape(program)
    assert seen.result == {"city": "Rome"}
    row = repr(seen.end("TurnsModel"))
    assert "weather" in row
    assert "Rome" in row


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_a_stream_that_breaks(shape: Shapes, how: str) -> None:
    def model() -> TurnsModel:
        left = iter([None, None, None])

        def meanwhile() -> None:
            if next(left, "out") == "out":
                raise ConnectionError("hung up")

        many = [AIMessageChunk("a") for _ in range(5)]
        return TurnsModel(pieces=many, meanwhile=meanwhile)

    async def astream() -> list[object]:
        return [chunk.content async for chunk in model().astream("q")]

    seen = shape(astream if how == "astream" else lambda: [c.content for c in model().stream("q")])
    assert seen.result == Raised("ConnectionError", "hung up")
    end = seen.end("TurnsModel")
    assert (end["action"], end["error_type"]) == ("on_llm_error", "ConnectionError")
    assert seen.run("TurnsModel")["stream_tokens"] == 3


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_a_stream_given_up(shape: Shapes, how: str) -> None:
    def model() -> TurnsModel:
        return TurnsModel(pieces=[AIMessageChunk(letter) for letter in "abc"])

    async def astream() -> object:
        stream = model().astream("q")
        first = await anext(stream)
        await stream.aclose()
        return first.content

    def given_up() -> object:
        stream = model().stream("q")
        first = next(stream)
        stream.close()
        return first.content

    seen = shape(astream if how == "astream" else given_up)
    assert seen.result == "a"
    end = seen.end("TurnsModel")
    assert end["action"] == "on_llm_error"
    assert end["error_type"] == "GeneratorExit"


def test_a_chains_stream_given_up(shape: Shapes) -> None:
    def program() -> object:
        model = TurnsModel(pieces=[AIMessageChunk(letter) for letter in "abc"])
        stream = (model | StrOutputParser() | RunnableLambda(str.upper)).stream("q")
        first = next(stream)
        stream.close()
        return first

    seen = shape(program)
    assert {run["status"] for run in seen.runs} <= {"ok", "error"}
    assert seen.outline[0] == "chain RunnableSequence"
