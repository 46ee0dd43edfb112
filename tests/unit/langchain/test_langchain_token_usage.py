"""Token counts, in the shapes of real providers' responses."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from clearml_otel import attributes as names
from clearml_otel.langchain.model_answers import answers_of
from clearml_otel.langchain.token_usage import usage_attributes
from support.provider_responses import RECORDED, Recorded, chat, completion


def usage(response: LLMResult) -> dict[str, int]:
    return usage_attributes(answers_of(response))


def tokens(response: LLMResult) -> tuple[Any, Any, Any]:
    """As the tables show them: a total that is only the sum is not on the span."""
    found = usage(response)
    asked, answered = found.get(names.USAGE_INPUT_TOKENS), found.get(names.USAGE_OUTPUT_TOKENS)
    total = None if asked is None or answered is None else asked + answered
    assert total is None or found.get(names.USAGE_TOTAL_TOKENS) != total
    return asked, answered, found.get(names.USAGE_TOTAL_TOKENS, total)


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED)
def test_counts_of_providers(recorded: Recorded) -> None:
    found = usage(recorded.response)
    assert tokens(recorded.response) == recorded.tokens
    assert (
        found.get(names.USAGE_CACHE_READ_TOKENS),
        found.get(names.USAGE_CACHE_CREATION_TOKENS),
        found.get(names.USAGE_REASONING_TOKENS),
    ) == recorded.parts
    assert found.get(names.USAGE_CACHE_WRITE_TOKENS) == recorded.parts[1]
    assert all(type(count) is int for count in found.values())


def test_modalities_that_the_provider_tells() -> None:
    message = AIMessage(
        "hi",
        usage_metadata={
            "input_tokens": 30,
            "output_tokens": 20,
            "total_tokens": 50,
            "input_token_details": {"audio": 10, "text": 18, "image": 2, "video": 1},  # type: ignore[typeddict-unknown-key]
            "output_token_details": {"audio": 5, "text": 15},  # type: ignore[typeddict-unknown-key]
        },
    )
    assert usage(chat(message)) == {
        names.USAGE_INPUT_TOKENS: 30,
        names.USAGE_OUTPUT_TOKENS: 20,
        "gen_ai.usage.audio.input_tokens": 10,
        "gen_ai.usage.text.input_tokens": 18,
        "gen_ai.usage.image.input_tokens": 2,
        "gen_ai.usage.audio.output_tokens": 5,
        "gen_ai.usage.text.output_tokens": 15,
    }


@pytest.mark.parametrize(
    "output",
    [
        None,
        {},
        {"token_usage": None},
        {"token_usage": {}},
        {"token_usage": "many"},
        {"token_usage": {"prompt_tokens": None, "completion_tokens": None}},
        {"token_usage": {"prompt_tokens": True, "completion_tokens": "9", "total_tokens": 1.5}},
        {"token_usage": {"prompt_tokens": -1, "completion_tokens": 1 << 63}},
        {"usage": [1, 2]},
    ],
    ids=repr,
)
def test_no_usage(output: dict[str, Any] | None) -> None:
    assert usage(completion(output=output)) == {}


def test_a_partial_usage_is_kept_and_makes_no_total() -> None:
    assert tokens(completion(output={"usage": {"output_tokens": 9}})) == (None, 9, None)


def test_a_missing_total_is_added_up() -> None:
    found = tokens(completion(output={"usage": {"input_tokens": 5, "output_tokens": 9}}))
    assert found == (5, 9, 14)


def test_zero_tokens_are_a_count() -> None:
    response = completion(output={"token_usage": {"prompt_tokens": 0, "completion_tokens": 0}})
    assert tokens(response) == (0, 0, 0)


def test_several_generations_of_one_prompt_count_their_usage_once() -> None:
    used: Any = {"input_tokens": 8, "output_tokens": 6, "total_tokens": 14}
    message = AIMessage("a", usage_metadata=used)
    response = LLMResult(generations=[[ChatGeneration(message=message) for _ in range(2)]])
    assert tokens(response) == (8, 6, 14)


def test_a_count_that_raises_costs_itself_only() -> None:
    class Trap:
        def __bool__(self) -> bool:
            raise RuntimeError("no truth")

    trapped = {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": Trap()}}
    whole = {"usage": {"input_tokens": 2, "output_tokens": 3}}
    assert tokens(completion(info=whole, output={"token_usage": trapped})) == (2, 3, 5)


def test_an_empty_response_says_nothing() -> None:
    for generations in ([], [[]]):
        assert usage(LLMResult(generations=generations)) == {}
