"""LCEL chains whose answers are read in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda

from support.scripted_models import ScriptedLLM
from support.shapes import Shapes, warnings_ignored


def step(name: str, work: Any) -> Runnable[Any, Any]:
    return RunnableLambda(work).with_config(run_name=name)


def letters(text: Iterator[str]) -> Iterator[str]:
    for piece in text:
        yield from piece.upper()


async def aletters(text: AsyncIterator[str]) -> AsyncIterator[str]:
    async for piece in text:
        for letter in piece.upper():
            yield letter


def test_a_generator_in_a_chain(shape: Shapes) -> None:
    def program() -> list[str]:
        return list((step("given", str) | RunnableGenerator(letters)).stream("abc"))

    seen = shape(program)
    assert seen.result == ["A", "B", "C"]
    assert seen.outline == ["chain RunnableSequence", "  chain given", "  chain letters"]
    assert seen.io("RunnableSequence")[1] == "ABC"
    assert seen.io("letters")[1] == "ABC"


def test_an_async_generator_in_a_chain(shape: Shapes) -> None:
    async def program() -> list[str]:
        generator: Any = RunnableGenerator(letters, aletters)
        return [each async for each in (step("given", str) | generator).astream("abc")]

    seen = shape(program)
    assert seen.result == ["A", "B", "C"]
    assert seen.io("RunnableSequence")[1] == "ABC"


@pytest.mark.parametrize("how", ["stream", "astream", "transform"])
def test_a_streamed_chains_question_is_its_input(shape: Shapes, how: str) -> None:
    def streamed() -> Runnable[Any, Any]:
        return ScriptedLLM(answers={"q": ["abc"]}) | step("up", str.upper)

    async def astream() -> list[str]:
        return [each async for each in streamed().astream("q")]

    def stream() -> list[str]:
        if how == "transform":
            return list(streamed().transform(iter(["q"])))
        return list(streamed().stream("q"))

    seen = shape(astream if how == "astream" else stream)
    assert seen.result == ["ABC"]
    assert seen.pairs == [("q", "abc")]
    # LangChain starts a stream's chain without its input, and tells it at the end
    assert seen.io("RunnableSequence") == ("q", "ABC")
    assert seen.io("up") == ("abc", "ABC")


def test_two_streams_by_turns(shape: Shapes) -> None:
    def program() -> list[tuple[str, str]]:
        one = ScriptedLLM(answers={"a": ["123"]}).stream("a")
        other = ScriptedLLM(answers={"b": ["456"]}).stream("b")
        return list(zip(one, other, strict=True))

    seen = shape(program)
    assert seen.result == [("1", "4"), ("2", "5"), ("3", "6")]
    assert seen.pairs == [("a", "123"), ("b", "456")]
    assert len({span.trace_id for span in seen.spans}) == 2


def test_a_log_of_a_stream(shape: Shapes) -> None:
    async def program() -> str:
        sequence = FakeListChatModel(responses=["hi"]) | StrOutputParser()
        with warnings_ignored():
            parts = [str(patch.ops[0]["op"]) async for patch in sequence.astream_log("q")]
        return parts[0]

    seen = shape(program)
    assert seen.outline == [
        "chain RunnableSequence",
        "  llm FakeListChatModel",
        "  chain StrOutputParser",
    ]
    assert seen.pairs == [("Human: q", "hi")]
