"""Chat models: conversations in, messages out, in one piece or in many."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel

from clearml_otel import attributes as names
from support.scripted_models import ScriptedChatModel
from support.shape_parts import USAGE, TurnsModel, calling, weather
from support.shapes import Raised, Shapes

CONVERSATION = [
    SystemMessage("Be brief."),
    HumanMessage("hi"),
    AIMessage("hello"),
    HumanMessage("why?"),
]
AS_TEXT = "System: Be brief.\nHuman: hi\nAI: hello\nHuman: why?"
INPUTS: dict[str, Any] = {
    "messages": CONVERSATION,
    "tuples": [("system", "Be brief."), ("human", "hi"), ("ai", "hello"), ("user", "why?")],
    "dicts": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "why?"},
    ],
    "prompt value": ChatPromptTemplate.from_messages(CONVERSATION).invoke({}),
}


@pytest.mark.parametrize("told", ["usage_metadata", "token_usage"])
def test_an_answer_from_the_cache_takes_no_tokens(shape: Shapes, told: str) -> None:
    """LangChain repeats the message with its usage, and marks that it cost nothing."""
    counts = {"prompt_tokens": 5, "completion_tokens": 2}
    answer = AIMessage("because", response_metadata={"token_usage": counts, "model_name": "m"})
    if told == "usage_metadata":
        answer = AIMessage("because", usage_metadata=USAGE, response_metadata={"model_name": "m"})

    def program() -> list[object]:
        model = TurnsModel(turns=[answer], cache=InMemoryCache())
        return [model.invoke("why?").content, model.invoke("why?").content]

    seen = shape(program)
    assert seen.result == ["because", "because"]
    assert seen.pairs == [("Human: why?", "because")] * 2
    assert seen.tokens == [(5, 2, 7), (None, None, None)]
    assert [run["model"] for run in seen.runs] == ["m", "m"]


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_conversation(shape: Shapes, kind: str, how: str) -> None:
    def model() -> TurnsModel:
        return TurnsModel(turns=[AIMessage("because", usage_metadata=USAGE)])

    async def ainvoke() -> object:
        return (await model().ainvoke(INPUTS[kind])).content

    seen = shape(ainvoke if how == "ainvoke" else lambda: model().invoke(INPUTS[kind]).content)
    assert seen.result == "because"
    assert seen.outline == ["llm TurnsModel"]
    assert seen.pairs == [(AS_TEXT, "because")]
    assert seen.tokens == [(5, 2, 7)]
    assert seen.rows("on_llm_end")[0]["token_usage_total_tokens"] == 7


@pytest.mark.parametrize("how", ["batch", "abatch"])
def test_a_batch(shape: Shapes, how: str) -> None:
    questions = ["a", "b", "c"]

    async def abatch() -> list[object]:
        return [each.content for each in await ScriptedChatModel().abatch(questions)]

    def batch() -> list[object]:
        return [each.content for each in ScriptedChatModel().batch(questions)]

    seen = shape(abatch if how == "abatch" else batch)
    assert seen.result == ["echo a", "echo b", "echo c"]
    assert sorted(seen.pairs) == [(f"Human: {each}", f"echo {each}") for each in "abc"]
    assert len({span.trace_id for span in seen.spans}) == 3


def test_a_batch_with_a_failure(shape: Shapes) -> None:
    def program() -> list[object]:
        model = ScriptedChatModel(fails_on=["b"])
        return [str(each) for each in model.batch(["a", "b"], return_exceptions=True)]

    seen = shape(program)
    assert sorted(seen.pairs, key=str) == [("Human: a", "echo a"), ("Human: b", None)]
    assert [row["error_message"] for row in seen.rows("on_llm_error")] == ["no answer to b"]


def test_generate_with_several_conversations(shape: Shapes) -> None:
    def program() -> list[str]:
        result = ScriptedChatModel().generate([[HumanMessage("a")], [HumanMessage("b")]])
        return [generation[0].text for generation in result.generations]

    seen = shape(program)
    assert seen.result == ["echo a", "echo b"]
    assert seen.pairs == [("Human: a", "echo a"), ("Human: b", "echo b")]
    assert [record["step"] for record in seen.records] == [1, 1, 2, 2]


def test_several_answers(shape: Shapes) -> None:
    choices = [AIMessage("one", usage_metadata=USAGE), AIMessage("other")]
    seen = shape(lambda: TurnsModel(choices=choices).invoke("pick").content)
    assert seen.result == "one"
    assert seen.pairs == [("Human: pick", "one"), ("Human: pick", "other")]
    assert [row["step"] for row in seen.rows("on_llm_end")] == [2, 2]
    assert seen.tokens == [(5, 2, 7)]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_an_error(shape: Shapes, how: str) -> None:
    async def ainvoke() -> object:
        return await TurnsModel(turns=[TimeoutError("too slow")]).ainvoke("q")

    def invoke() -> object:
        return TurnsModel(turns=[TimeoutError("too slow")]).invoke("q")

    seen = shape(ainvoke if how == "ainvoke" else invoke)
    assert seen.result == Raised("TimeoutError", "too slow")
    end = seen.end("TurnsModel")
    assert end["action"] == "on_llm_error"
    assert (end["error_type"], end["error_message"]) == ("TimeoutError", "too slow")


def test_a_fallback(shape: Shapes) -> None:
    def program() -> object:
        broken = FakeListChatModel(responses=["never"], error_on_chunk_number=0)
        model = TurnsModel(turns=[ValueError("down")]).with_fallbacks([broken])
        return model.invoke("q").content

    seen = shape(program)
    assert seen.result == "never"
    assert seen.outline == [
        "chain RunnableWithFallbacks",
        "  llm TurnsModel",
        "  llm FakeListChatModel",
    ]
    assert seen.io("RunnableWithFallbacks") == ("q", "never")
    assert seen.pairs == [("Human: q", None), ("Human: q", "never")]
    assert seen.end("TurnsModel")["error_message"] == "down"


def test_a_retry(shape: Shapes) -> None:
    def program() -> object:
        model = TurnsModel(turns=[ValueError("down"), "up"])
        return model.with_retry(wait_exponential_jitter=False).invoke("q").content

    seen = shape(program)
    assert seen.outline == ["chain TurnsModel", "  llm TurnsModel", "  llm TurnsModel"]
    assert seen.pairs == [("Human: q", None), ("Human: q", "up")]
    assert seen.run("TurnsModel", 2)["tags"] == "retry:attempt:2"


def test_a_rate_limit(shape: Shapes) -> None:
    def program() -> list[object]:
        limiter = InMemoryRateLimiter(requests_per_second=1_000, check_every_n_seconds=0.001)
        model = TurnsModel(turns=["a", "b"], rate_limiter=limiter)
        return [model.invoke("q").content, model.invoke("q").content]

    assert shape(program).pairs == [("Human: q", "a"), ("Human: q", "b")]


def test_a_configurable_model(shape: Shapes) -> None:
    def program() -> list[object]:
        model = TurnsModel(turns=["one"]).configurable_alternatives(
            ConfigurableField(id="which"),
            default_key="first",
            second=FakeListChatModel(responses=["two"]),
        )
        chosen = {"configurable": {"which": "second"}}
        return [model.invoke("q").content, model.invoke("q", chosen).content]

    seen = shape(program)
    assert seen.result == ["one", "two"]
    assert seen.outline == ["llm TurnsModel", "llm FakeListChatModel"]


# -- tools asked for, structured answers ---------------------------------------------------


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def test_requested_tools_stand_on_the_answers_row(shape: Shapes) -> None:
    def program() -> object:
        turn = calling("weather", "c7", city="Paris")
        model = TurnsModel(turns=[turn]).bind_tools([weather])
        return model.invoke([HumanMessage("sun?")]).tool_calls

    seen = shape(program)
    assert seen.result[0]["args"] == {"city": "Paris"}
    (part,) = output_parts(seen.span("TurnsModel"))
    assert part == {
        "type": "tool_call",
        "id": "c7",
        "name": "weather",
        "arguments": {"city": "Paris"},
    }
    row = repr(seen.end("TurnsModel"))
    assert "weather" in row
    assert "Paris" in row


def test_invalid_tool_calls_stand_there_too(shape: Shapes) -> None:
    def program() -> object:
        call = {"name": "weather", "args": "{oops", "id": "c1", "error": "no JSON"}
        turn = AIMessage("", invalid_tool_calls=[{**call, "type": "invalid_tool_call"}])
        return TurnsModel(turns=[turn]).invoke("sun?").invalid_tool_calls[0]["args"]

    seen = shape(program)
    assert seen.result == "{oops"
    row = repr(seen.end("TurnsModel"))
    assert "weather" in row
    assert "{oops" in row


def test_a_conversation_with_tools(shape: Shapes) -> None:
    messages = [
        HumanMessage("sun?"),
        calling("weather", "c1", city="Paris"),
        ToolMessage("sunny", tool_call_id="c1", name="weather"),
    ]
    seen = shape(lambda: TurnsModel(turns=["Yes."]).invoke(messages).content)
    ((prompt, answer),) = seen.pairs
    assert answer == "Yes."
    for said in ("Human: sun?", "weather", "Paris", "Tool: sunny"):
        assert said in prompt


@pytest.mark.parametrize("raw", [False, True])
def test_a_structured_answer(shape: Shapes, raw: bool) -> None:
    def program() -> object:
        turn = calling("Person", name="Ann", age=3)
        model = TurnsModel(turns=[turn]).with_structured_output(Person, include_raw=raw)
        found = model.invoke("who?")
        return found["parsed"] if raw else found

    seen = shape(program)
    assert seen.result == Person(name="Ann", age=3)
    given, gave = seen.io("RunnableSequence")
    assert given == "who?"
    assert "Ann" in gave
    assert seen.pairs[0][0] == "Human: who?"
    assert seen.run("TurnsModel")["parent_run_id"] is not None


def test_a_json_answer(shape: Shapes) -> None:
    def program() -> object:
        return (FakeListChatModel(responses=['{"a": [1, 2]}']) | JsonOutputParser()).invoke("q")

    seen = shape(program)
    assert seen.result == {"a": [1, 2]}
    assert seen.outline == [
        "chain RunnableSequence",
        "  llm FakeListChatModel",
        "  chain JsonOutputParser",
    ]
    assert seen.pairs == [("Human: q", '{"a": [1, 2]}')]
    assert "[1,2]" in seen.io("JsonOutputParser")[1].replace(" ", "")


# -- reasoning, images, files, audio -------------------------------------------------------


def output_parts(span: Any) -> list[dict[str, Any]]:
    (message,) = json.loads(str(span.attributes[names.OUTPUT_MESSAGES]))
    return list(message["parts"])


def test_reasoning_is_no_part_of_the_answers_text(shape: Shapes) -> None:
    def program() -> str:
        content: list[Any] = [
            {"type": "thinking", "thinking": "two and two", "signature": "s"},
            {"type": "text", "text": "four"},
        ]
        return str(TurnsModel(turns=[AIMessage(content)]).invoke("2+2?").content[1])

    seen = shape(program)
    assert seen.pairs == [("Human: 2+2?", "four")]
    assert output_parts(seen.span("TurnsModel")) == [
        {"type": "reasoning", "content": "two and two"},
        {"type": "text", "content": "four"},
    ]


PIXELS = bytes(range(256)) * 4
CODED = base64.b64encode(PIXELS).decode()
MEDIA: dict[str, tuple[dict[str, Any], str]] = {
    "openai image": (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{CODED}"}},
        "image/png",
    ),
    "anthropic image": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": CODED}},
        "image/jpeg",
    ),
    "standard image": (
        {"type": "image", "base64": CODED, "mime_type": "image/png"},
        "image/png",
    ),
    "file": (
        {"type": "file", "base64": CODED, "mime_type": "application/pdf"},
        "application/pdf",
    ),
    "audio": ({"type": "audio", "base64": CODED, "mime_type": "audio/wav"}, "audio/wav"),
}


def shown(shape: Shapes, block: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The prompt of a message with a block, and the parts on the span."""
    content: list[Any] = [{"type": "text", "text": "what is it?"}, block]
    seen = shape(lambda: TurnsModel(turns=["a thing"]).invoke([HumanMessage(content)]).content)
    ((prompt, answer),) = seen.pairs
    assert answer == "a thing"
    messages = json.loads(str(seen.span("TurnsModel").attributes[names.INPUT_MESSAGES]))
    assert CODED[:64] not in repr(seen.spans)
    return prompt, messages[0]["parts"]


@pytest.mark.parametrize("kind", MEDIA)
def test_media_are_told_by_kind_and_size(shape: Shapes, kind: str) -> None:
    block, mime = MEDIA[kind]
    prompt, parts = shown(shape, block)
    assert prompt.startswith("Human: what is it?")
    assert mime in prompt
    assert parts[1]["mime_type"] == mime
    assert parts[1]["modality"] in {"image", "file", "document", "audio"}


@pytest.mark.parametrize("kind", MEDIA)
def test_media_are_told_by_hash(shape: Shapes, kind: str) -> None:
    _, parts = shown(shape, MEDIA[kind][0])
    told = json.dumps(parts[1])
    assert hashlib.sha256(PIXELS).hexdigest()[:16] in told
    assert str(len(PIXELS)) in told


def test_an_image_by_address(shape: Shapes) -> None:
    block = {"type": "image_url", "image_url": {"url": "https://user:pw@host/cat.png"}}
    prompt, parts = shown(shape, block)
    assert "image" in prompt
    assert parts[1]["uri"] == "https://**********@host/cat.png"


def test_an_image_as_the_answer(shape: Shapes) -> None:
    content: list[Any] = [
        {"type": "text", "text": "here"},
        {"type": "image", "base64": CODED, "mime_type": "image/png"},
    ]
    seen = shape(lambda: len(TurnsModel(turns=[AIMessage(content)]).invoke("draw").content))
    assert seen.result == 2
    assert seen.pairs == [("Human: draw", "here")]
    assert CODED[:64] not in repr(seen.spans)
    assert output_parts(seen.span("TurnsModel"))[1]["mime_type"] == "image/png"
