from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from langchain_openai import ChatOpenAI
from langchain_openai import OpenAI as LangChainOpenAI

from clearml_otel.demo.openai_server import (
    MAX_BODY,
    OpenAIServer,
    Reply,
    ToolCall,
    WireError,
    loopback_openai,
)


def echo(prompts: list[str]) -> Reply:
    return Reply([f"You said: {prompt}" for prompt in prompts])


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(echo) as running:
        yield running


def client(server: OpenAIServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0)


def post(server: OpenAIServer, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=10)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_completion_of_several_prompts(server: OpenAIServer) -> None:
    with client(server) as api:
        done = api.completions.create(model="any-model", prompt=["a b", "c"], n=2)
    assert [choice.text for choice in done.choices] == [
        "You said: a b",
        "You said: a b",
        "You said: c",
        "You said: c",
    ]
    assert [choice.index for choice in done.choices] == [0, 1, 2, 3]
    assert {choice.finish_reason for choice in done.choices} == {"stop"}
    assert {choice.logprobs for choice in done.choices} == {None}
    assert done.model == "any-model"
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (3, 14)
    assert done.usage.total_tokens == 17


def test_scripted_usage_model_and_one_text_a_choice() -> None:
    usage = {"prompt_tokens": 24, "completion_tokens": 138}
    script = lambda prompts: Reply(["x", "y"], usage, "text-davinci-003")  # noqa: E731
    with OpenAIServer(script) as server, client(server) as api:
        done = api.completions.create(model="other", prompt="one", n=2)
    assert [choice.text for choice in done.choices] == ["x", "y"]
    assert done.model == "text-davinci-003"
    assert done.usage is not None
    assert done.usage.model_dump(
        include={"prompt_tokens", "completion_tokens", "total_tokens"}
    ) == {
        **usage,
        "total_tokens": 162,
    }


def test_stop_sequences_cut_the_text(server: OpenAIServer) -> None:
    with client(server) as api:
        done = api.completions.create(
            model="m", prompt="go on\nObservation: no", stop=["\nObservation:", "unused"]
        )
    assert done.choices[0].text == "You said: go on"


@pytest.mark.parametrize("include_usage", [True, False])
def test_streamed_completion(server: OpenAIServer, include_usage: bool) -> None:
    with client(server) as api:
        chunks = list(
            api.completions.create(
                model="m",
                prompt=["a  b\n", "c"],
                stream=True,
                stream_options={"include_usage": include_usage},
            )
        )
    texts = {0: "", 1: ""}
    finished: list[int] = []
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        texts[choice.index] += choice.text
        if choice.finish_reason:
            finished.append(choice.index)
    assert texts == {0: "You said: a  b\n", 1: "You said: c"}
    assert finished == [0, 1]
    usages = [chunk.usage.total_tokens for chunk in chunks if chunk.usage]
    assert usages == ([12] if include_usage else [])


def test_chat_completion_sees_the_messages(server: OpenAIServer) -> None:
    with client(server) as api:
        done = api.chat.completions.create(
            model="m",
            messages=[
                {"role": "system", "content": "Be brief"},
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            ],
        )
    assert done.choices[0].message.content == "You said: system: Be brief\nuser: Hello"
    assert done.choices[0].finish_reason == "stop"


def turns(prompts: list[str]) -> Reply:
    """Call a tool once, then answer with its result."""
    _, called, result = prompts[0].rpartition("\ntool: ")
    if called:
        return Reply([f"It is {result}"])
    return Reply([""], tool_calls=[ToolCall("weather", '{"city": "Paris"}')])


@pytest.mark.parametrize("streaming", [True, False])
def test_chat_tool_calls_through_langchain(streaming: bool) -> None:
    with OpenAIServer(turns) as server:
        llm = ChatOpenAI(
            model="m",
            base_url=server.base_url,
            api_key="any",
            streaming=streaming,
            stream_usage=True,
            max_retries=0,
        )
        asked = llm.invoke("Weather in Paris?")
        (call,) = asked.tool_calls
        assert (call["name"], call["args"]) == ("weather", {"city": "Paris"})
        assert asked.response_metadata["finish_reason"] == "tool_calls"
        answered = llm.invoke(
            [
                ("human", "Weather in Paris?"),
                asked,
                {"role": "tool", "content": "sunny", "tool_call_id": call["id"]},
            ]
        )
    assert answered.content == "It is sunny"
    assert answered.usage_metadata is not None


def test_langchain_completion_and_stream(server: OpenAIServer) -> None:
    llm = LangChainOpenAI(model="m", base_url=server.base_url, api_key="any", max_retries=0)
    result = llm.generate(["one", "two"])
    assert [generations[0].text for generations in result.generations] == [
        "You said: one",
        "You said: two",
    ]
    assert result.llm_output is not None
    assert result.llm_output["token_usage"]["total_tokens"] == 8
    assert "".join(llm.stream("a b")) == "You said: a b"


def test_many_clients_at_once(server: OpenAIServer) -> None:
    with client(server) as api, ThreadPoolExecutor(16) as pool:

        def ask(number: int) -> str:
            return api.completions.create(model="m", prompt=f"{number}").choices[0].text

        assert list(pool.map(ask, range(200))) == [f"You said: {n}" for n in range(200)]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v1/embeddings", b"{}", 404, "Unknown request URL: POST /v1/embeddings"),
        ("/v1/completions", b"{", 400, "parse the JSON body"),
        ("/v1/completions", b"[" * 100_000, 400, "parse the JSON body"),
        ("/v1/completions", b"\xff", 400, "parse the JSON body"),
        ("/v1/completions", b"[]", 400, "must be an object"),
        ("/v1/completions", b'{"prompt": "a"}', 400, "model parameter"),
        ("/v1/completions", b'{"model": "m"}', 400, "'prompt' must be"),
        ("/v1/completions", b'{"model": "m", "prompt": []}', 400, "'prompt' must be"),
        ("/v1/completions", b'{"model": "m", "prompt": [1, 2]}', 400, "Token prompts"),
        ("/v1/completions", b'{"model": "m", "prompt": "a", "n": 0}', 400, "'n' must be"),
        ("/v1/completions", b'{"model": "m", "prompt": "a", "n": true}', 400, "'n' must be"),
        ("/v1/completions", b'{"model": "m", "prompt": "a", "stop": 3}', 400, "'stop' must be"),
        ("/v1/chat/completions", b'{"model": "m"}', 400, "'messages' must be"),
        ("/v1/chat/completions", b'{"model": "m", "messages": ["a"]}', 400, "must be an object"),
        ("/v1/chat/completions", b'{"model": "m", "messages": [{}]}', 400, "'role'"),
    ],
)
def test_bad_requests(server: OpenAIServer, path: str, body: bytes, status: int, says: str) -> None:
    found, answer = post(server, path, body)
    assert found == status
    assert says in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"
    assert set(answer["error"]) == {"message", "type", "param", "code"}


def test_bodies_are_bounded(server: OpenAIServer) -> None:
    status, answer = post(server, "/v1/completions", b"", **{"Content-Length": str(MAX_BODY + 1)})
    assert status == 413
    assert str(MAX_BODY) in answer["error"]["message"]
    status, _ = post(server, "/v1/completions", b"", **{"Content-Length": "-1"})
    assert status == 411


def test_get_is_unknown(server: OpenAIServer) -> None:
    with client(server) as api, pytest.raises(openai.NotFoundError, match="Unknown request URL"):
        api.models.list()


def test_scripted_and_accidental_errors() -> None:
    def fail(prompts: list[str]) -> Reply:
        if prompts == ["limit"]:
            raise WireError("Slow down.", status=429, code="rate_limit_exceeded")
        if prompts == ["short"]:
            return Reply([])
        raise KeyError(prompts[0])

    with OpenAIServer(fail) as server, client(server) as api:
        with pytest.raises(openai.RateLimitError, match=r"Slow down\."):
            api.completions.create(model="m", prompt="limit")
        with pytest.raises(openai.InternalServerError, match=r"KeyError\('other'\)"):
            api.completions.create(model="m", prompt="other")
        with pytest.raises(openai.InternalServerError, match="0 texts to 1 prompts"):
            api.completions.create(model="m", prompt="short")


def test_no_thread_outlives_the_server() -> None:
    before = set(threading.enumerate())
    with OpenAIServer(echo) as server:
        # a connection that the client keeps open must not keep its thread
        api = client(server)
        api.completions.create(model="m", prompt="a")
    assert set(threading.enumerate()) <= before
    api.close()


def test_loopback_points_clients_here_and_puts_the_environment_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.delenv("OPENAI_API_BASE", raising=False)
    before = dict(os.environ)
    keys: list[str] = []
    with loopback_openai(echo) as server:
        assert os.environ["LANGSMITH_TRACING"] == "false"
        llm = LangChainOpenAI(model="m", max_retries=0)
        keys.append(os.environ["OPENAI_API_KEY"])
        assert llm.openai_api_base == server.base_url
        assert llm.invoke("hi") == "You said: hi"
    assert keys == ["loopback"]
    assert dict(os.environ) == before
