"""A model's answers and what is said of them, in the shapes of real providers' responses."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, Generation, LLMResult

from clearml_otel import attributes as names
from clearml_otel.langchain.model_answers import (
    answers_of,
    logprobs,
    output_messages_json,
    response_attributes,
)
from support.provider_responses import OPENAI_CHAT, RECORDED, Recorded, chat, completion


def said(response: LLMResult) -> dict[str, Any]:
    return response_attributes(answers_of(response))


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED)
def test_what_providers_say(recorded: Recorded) -> None:
    wanted: dict[str, Any] = {
        names.RESPONSE_MODEL: recorded.model,
        names.RESPONSE_ID: recorded.response_id,
        names.RESPONSE_FINISH_REASONS: [recorded.reason] if recorded.reason else None,
        **recorded.more,
    }
    assert said(recorded.response) == {k: v for k, v in wanted.items() if v is not None}


def test_texts_and_messages_are_read_once() -> None:
    answers = answers_of(OPENAI_CHAT.response)
    assert answers.texts == ["hi"]
    assert answers.items[0].message is OPENAI_CHAT.response.generations[0][0].message  # type: ignore[union-attr]


def test_a_streamed_answer_is_read_like_a_whole_one() -> None:
    chunk = ChatGenerationChunk(
        message=AIMessageChunk("hi", response_metadata={"finish_reason": "stop"})
    )
    answers = answers_of(LLMResult(generations=[[chunk]]))
    assert answers.texts == ["hi"]
    assert answers.items[0].finish_reason == "stop"


def test_finish_reasons_keep_their_places() -> None:
    generations = [
        Generation(text="a"),
        Generation(text="b", generation_info={"finish_reason": "length"}),
    ]
    reasons = said(LLMResult(generations=[generations]))[names.RESPONSE_FINISH_REASONS]
    assert reasons == ["", "length"]


class Reason(enum.Enum):
    STOP = 1


class Word(str, enum.Enum):
    STOP = "stop"


@pytest.mark.parametrize(("reason", "wanted"), [(Reason.STOP, "STOP"), (Word.STOP, "stop")])
def test_finish_reasons_of_enumerations(reason: object, wanted: str) -> None:
    found = said(completion(info={"finish_reason": reason}))[names.RESPONSE_FINISH_REASONS]
    assert found == [wanted]
    assert type(found[0]) is str


def test_the_ids_that_langchain_makes_up_are_no_response_ids() -> None:
    for made_up in ("run-1", "run--1-0", "lc_run--1", "lc_2"):
        assert names.RESPONSE_ID not in said(chat(AIMessage("a", id=made_up)))
    assert said(chat(AIMessage("a", id="chatcmpl-9")))[names.RESPONSE_ID] == "chatcmpl-9"


def test_output_messages_of_several_generations() -> None:
    response = LLMResult(generations=[[Generation(text="a"), Generation(text="b")]])
    told: Any = json.loads(output_messages_json(answers_of(response)))
    assert [message["parts"][0]["content"] for message in told] == ["a", "b"]
    assert json.loads(output_messages_json(answers_of(response))) == told


def test_log_probabilities_hold_tokens_and_so_are_content() -> None:
    first = {"tokens": ["a"], "token_logprobs": [-0.1]}
    generations = [
        Generation(text="a", generation_info={"logprobs": first}),
        Generation(text="b", generation_info={"logprobs": None}),
    ]
    response = LLMResult(generations=[generations])
    assert logprobs(answers_of(response)) == [first, None]
    assert names.LOGPROBS not in said(response)
    assert logprobs(answers_of(OPENAI_CHAT.response)) == []


def test_an_empty_response_says_nothing() -> None:
    for generations in ([], [[]]):
        response = LLMResult(generations=generations)
        assert said(response) == {}
        assert answers_of(response).texts == []


def test_one_bad_answer_costs_itself_only() -> None:
    class Trap(dict[str, Any]):
        def keys(self) -> Any:
            raise RuntimeError("no keys")

    bad = Generation.model_construct(text="a", generation_info=Trap(x=1))
    good = Generation(text="b", generation_info={"finish_reason": "stop"})
    answers = answers_of(LLMResult.model_construct(generations=[[bad, object(), good]]))
    assert answers.texts == ["a", "", "b"]
    assert response_attributes(answers)[names.RESPONSE_FINISH_REASONS] == ["", "", "stop"]


def test_what_is_said_in_strange_types_is_text() -> None:
    class Nameless:
        @property
        def name(self) -> str:
            raise RuntimeError("no name")

    output = {"model_name": 7, "id": Nameless(), "finish_reason": b"stop"}
    found = said(completion(output=output))
    assert found[names.RESPONSE_MODEL] == "7"
    assert found[names.RESPONSE_FINISH_REASONS] == ["<4 bytes>"]
    assert names.RESPONSE_ID not in found
