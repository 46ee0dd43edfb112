"""The real OpenAI clients, against a server on the loopback that says what a script says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAI

from clearml_otel import attributes as names
from clearml_otel.demo.openai_server import Reply, WireError, loopback_openai
from clearml_otel.demo.openai_wire import ToolCall
from support.shape_parts import weather
from support.shapes import Shapes

USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}


def answer(prompts: list[str]) -> Reply:
    if "fail" in prompts[-1]:
        raise WireError("You are out of credit.", status=429, code="insufficient_quota")
    if "weather" in prompts[-1]:
        calls = [ToolCall("weather", '{"city": "Paris"}')]
        return Reply([""], USAGE, "gpt-test-1", tool_calls=calls)
    return Reply([f"You said {prompt}." for prompt in prompts], USAGE, "gpt-test-1")


@pytest.fixture(autouse=True)
def _server() -> Iterator[None]:
    with loopback_openai(answer):
        yield


def chat(**fields: Any) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-test", max_retries=0, **fields)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_chat(shape: Shapes, how: str) -> None:
    async def ainvoke() -> object:
        async with httpx.AsyncClient() as client:  # the default one belongs to another loop
            return (await chat(temperature=0.5, http_async_client=client).ainvoke("hi")).content

    seen = shape(
        ainvoke if how == "ainvoke" else lambda: chat(temperature=0.5).invoke("hi").content
    )
    assert "hi" in seen.result
    assert seen.pairs == [("Human: hi", seen.result)]
    assert seen.tokens == [(11, 5, 16)]
    end = seen.end("ChatOpenAI")
    assert (end["model_name"], end["generation_info_finish_reason"]) == ("gpt-test-1", "stop")
    found = seen.span("ChatOpenAI").attributes
    assert found[names.REQUEST_MODEL] == "gpt-test"
    assert found[names.PROVIDER_NAME] == "openai"
    assert found[names.REQUEST_TEMPERATURE] == 0.5


def test_a_completion_of_several_prompts(shape: Shapes) -> None:
    def program() -> list[str]:
        result = OpenAI(model="gpt-test", max_retries=0).generate(["a", "b"])
        return [each[0].text for each in result.generations]

    seen = shape(program)
    assert seen.pairs == [("a", "You said a."), ("b", "You said b.")]
    assert [row["token_usage_total_tokens"] for row in seen.session] == [16, 16]
    assert seen.run("OpenAI")["model"] == "gpt-test"


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_a_stream_with_usage(shape: Shapes, how: str) -> None:
    async def astream() -> str:
        async with httpx.AsyncClient() as client:
            model = chat(stream_usage=True, http_async_client=client)
            return "".join([str(each.content) async for each in model.astream("hi")])

    def stream() -> str:
        return "".join(str(each.content) for each in chat(stream_usage=True).stream("hi"))

    seen = shape(astream if how == "astream" else stream)
    assert seen.pairs == [("Human: hi", seen.result)]
    assert seen.tokens == [(11, 5, 16)]
    run = seen.run("ChatOpenAI")
    assert run["stream_tokens"] > 1
    assert run["time_to_first_chunk_s"] > 0
    assert run["finish_reason"] == "stop"


def test_a_chain(shape: Shapes) -> None:
    def program() -> str:
        prompt = ChatPromptTemplate.from_messages(
            [("system", "Be brief."), ("human", "{question}")]
        )
        return (prompt | chat() | StrOutputParser()).invoke({"question": "hi"})

    seen = shape(program)
    assert seen.io("RunnableSequence") == ("hi", seen.result)
    assert seen.outline[2] == "  llm ChatOpenAI"


def test_a_requested_tool(shape: Shapes) -> None:
    seen = shape(lambda: chat().bind_tools([weather]).invoke("weather?").tool_calls[0]["args"])
    assert seen.result == {"city": "Paris"}
    row = repr(seen.end("ChatOpenAI"))
    assert "weather" in row
    assert "Paris" in row
    assert seen.run("ChatOpenAI")["finish_reason"] == "tool_calls"


def test_an_error_of_the_server(shape: Shapes) -> None:
    seen = shape(lambda: chat().invoke("fail"))
    assert seen.result.kind.endswith("RateLimitError")
    end = seen.end("ChatOpenAI")
    assert end["error_type"].endswith(seen.result.kind)
    assert "out of credit" in end["error_message"]
