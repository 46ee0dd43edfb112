"""Completion models: one text in, one or more texts out."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models.fake import FakeStreamingListLLM
from langchain_core.outputs import LLMResult

from support.scripted_models import ScriptedLLM
from support.shapes import Raised, Shapes

USAGE = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
TOKENS = ("token_usage_prompt_tokens", "token_usage_completion_tokens", "token_usage_total_tokens")


def model(**fields: Any) -> ScriptedLLM:
    return ScriptedLLM(
        answers={"hi": ["hello"], "two": ["one", "other"]},
        usage=USAGE,
        model="m-1",
        info={"finish_reason": "stop"},
        **fields,
    )


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_one_question(shape: Shapes, how: str) -> None:
    async def ainvoke() -> str:
        return await model().ainvoke("hi")

    seen = shape(ainvoke if how == "ainvoke" else lambda: model().invoke("hi"))
    assert seen.result == "hello"
    assert seen.outline == ["llm ScriptedLLM"]
    assert seen.pairs == [("hi", "hello")]
    end = seen.end("ScriptedLLM")
    assert tuple(end[name] for name in TOKENS) == (4, 3, 7)
    assert (end["model_name"], end["generation_info_finish_reason"]) == ("m-1", "stop")


@pytest.mark.parametrize("how", ["batch", "abatch"])
def test_a_batch_is_one_call(shape: Shapes, how: str) -> None:
    async def abatch() -> list[str]:
        return await model().abatch(["hi", "you"])

    seen = shape(abatch if how == "abatch" else lambda: model().batch(["hi", "you"]))
    assert seen.result == ["hello", "echo you"]
    assert seen.pairs == [("hi", "hello"), ("you", "echo you")]
    assert [record["step"] for record in seen.records] == [1, 1, 2, 2]
    # LangChain gives a call's usage to its first run; the page shows it on each row
    assert seen.tokens == [(4, 3, 7), (None, None, None)]
    assert [row["token_usage_total_tokens"] for row in seen.rows("on_llm_end")] == [7, 7]


def test_a_batch_with_a_limit_is_several_calls(shape: Shapes) -> None:
    seen = shape(lambda: model().batch(["a", "b", "c"], {"max_concurrency": 2}))
    assert seen.result == ["echo a", "echo b", "echo c"]
    assert [record["step"] for record in seen.records] == [1, 1, 2, 2, 3, 4]
    assert seen.tokens == [(4, 3, 7), (None, None, None), (4, 3, 7)]


@pytest.mark.parametrize("how", ["generate", "agenerate"])
def test_generate(shape: Shapes, how: str) -> None:
    async def agenerate() -> list[str]:
        return texts(await model().agenerate(["hi", "x", "hi"]))

    seen = shape(
        agenerate if how == "agenerate" else lambda: texts(model().generate(["hi", "x", "hi"]))
    )
    assert seen.result == ["hello", "echo x", "hello"]
    assert seen.pairs == [("hi", "hello"), ("x", "echo x"), ("hi", "hello")]
    assert [row["step"] for row in seen.records] == [1, 1, 1, 2, 2, 2]


def texts(result: LLMResult) -> list[str]:
    return [generation.text for prompt in result.generations for generation in prompt]


def test_several_answers_to_a_question(shape: Shapes) -> None:
    seen = shape(lambda: texts(model().generate(["two", "hi"])))
    assert seen.result == ["one", "other", "hello"]
    assert seen.pairs == [("two", "one"), ("two", "other"), ("hi", "hello")]
    assert [row["text"] for row in seen.rows("on_llm_end")] == ["one", "other", "hello"]
    assert seen.records[-1]["llm_ends"] == 1


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_a_stream_is_one_row(shape: Shapes, how: str) -> None:
    def llm() -> FakeStreamingListLLM:
        return FakeStreamingListLLM(responses=["abcdef"])

    async def astream() -> list[str]:
        return [chunk async for chunk in ScriptedLLM(answers={"q": ["abcdef"]}).astream("q")]

    def stream() -> list[str]:
        return list(ScriptedLLM(answers={"q": ["abcdef"]}).stream("q"))

    assert list(llm().stream("q")) == list("abcdef")
    seen = shape(astream if how == "astream" else stream)
    assert seen.result == list("abcdef")
    assert seen.actions == ["on_llm_start", "on_llm_end"]
    assert seen.pairs == [("q", "abcdef")]
    run = seen.run("ScriptedLLM")
    assert run["stream_tokens"] == seen.end("ScriptedLLM")["llm_streams"] == 6
    assert 0 <= run["time_to_first_chunk_s"] <= run["duration_s"]


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "batch", "stream"])
def test_an_error(shape: Shapes, how: str) -> None:
    def llm() -> ScriptedLLM:
        return model(error=ValueError("no such model"))

    async def ainvoke() -> str:
        return await llm().ainvoke("hi")

    programs = {
        "invoke": lambda: llm().invoke("hi"),
        "ainvoke": ainvoke,
        "batch": lambda: llm().batch(["hi"]),
        "stream": lambda: list(llm().stream("hi")),
    }
    seen = shape(programs[how])
    assert seen.result == Raised("ValueError", "no such model")
    assert seen.actions == ["on_llm_start", "on_llm_error"]
    end = seen.end("ScriptedLLM")
    assert (end["error_type"], end["error_message"]) == ("ValueError", "no such model")
    assert seen.run("ScriptedLLM")["status"] == "error"
    assert end["errors"] == 1
    assert seen.pairs == [("hi", None)]


def test_what_a_broken_stream_said_is_counted(shape: Shapes) -> None:
    seen = shape(lambda: list(model(error=ValueError("cut")).stream("hi")))
    assert seen.result == Raised("ValueError", "cut")
    assert seen.run("ScriptedLLM")["stream_tokens"] == len("hello")


def test_an_answer_from_the_cache_makes_no_run(shape: Shapes) -> None:
    def program() -> list[str]:
        llm = model(cache=InMemoryCache())
        return [llm.invoke("hi"), llm.invoke("hi"), *llm.batch(["hi", "new"])]

    seen = shape(program)
    assert seen.result == ["hello", "hello", "hello", "echo new"]
    # LangChain calls nobody for a prompt that its cache knows
    assert seen.pairs == [("hi", "hello"), ("new", "echo new")]
    assert all(run["status"] == "ok" for run in seen.runs)


def test_no_usage_no_model_name(shape: Shapes) -> None:
    seen = shape(lambda: ScriptedLLM().invoke("hi"))
    end = seen.end("ScriptedLLM")
    assert [end[name] for name in TOKENS] == [None, None, None]
    assert end["model_name"] is None
    assert seen.tokens == [(None, None, None)]
