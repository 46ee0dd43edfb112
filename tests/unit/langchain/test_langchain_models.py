"""Requests, answers and usages of model runs, in the shapes of real providers' responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from clearml_otel import attributes as names
from clearml_otel.langchain import models


def completion(
    text: str = "t",
    info: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
) -> LLMResult:
    return LLMResult(generations=[[Generation(text=text, generation_info=info)]], llm_output=output)


def chat(
    message: AIMessage,
    info: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
) -> LLMResult:
    generation = ChatGeneration(message=message, generation_info=info)
    return LLMResult(generations=[[generation]], llm_output=output)


def usage(response: LLMResult) -> dict[str, Any]:
    return dict(models.usage_attributes(response, models.generations_of(response)))


def said(response: LLMResult) -> dict[str, Any]:
    return dict(models.response_attributes(response, models.generations_of(response)))


def tokens(response: LLMResult) -> tuple[Any, Any, Any]:
    found = usage(response)
    return (
        found.get(names.USAGE_INPUT_TOKENS),
        found.get(names.USAGE_OUTPUT_TOKENS),
        found.get(names.USAGE_TOTAL_TOKENS),
    )


# -- usages, as recorded -----------------------------------------------------------------

OPENAI_COMPLETION = completion(
    info={"finish_reason": "stop", "logprobs": None},
    output={
        "token_usage": {"prompt_tokens": 24, "completion_tokens": 138, "total_tokens": 162},
        "model_name": "text-davinci-003",
    },
)
OPENAI_CHAT = chat(
    AIMessage(
        "hi",
        id="run--1",
        usage_metadata={
            "input_tokens": 8,
            "output_tokens": 3,
            "total_tokens": 11,
            "input_token_details": {"audio": 0, "cache_read": 4},
            "output_token_details": {"audio": 0, "reasoning": 2},
        },
        response_metadata={
            "token_usage": {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11},
            "model_name": "gpt-4o-2024-08-06",
            "finish_reason": "stop",
            "id": "chatcmpl-1",
            "logprobs": None,
        },
    ),
    info={"finish_reason": "stop", "logprobs": None},
    output={
        "token_usage": {
            "prompt_tokens": 8,
            "completion_tokens": 3,
            "total_tokens": 11,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        "model_name": "gpt-4o-2024-08-06",
        "id": "chatcmpl-1",
    },
)
ANTHROPIC_CHAT = chat(
    AIMessage(
        "hi",
        response_metadata={
            "id": "msg_1",
            "model": "claude-3-5-sonnet-20241022",
            "model_name": "claude-3-5-sonnet-20241022",
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 5,
                "output_tokens": 7,
                "cache_read_input_tokens": 10,
                "cache_creation_input_tokens": 20,
            },
        },
        usage_metadata={
            "input_tokens": 35,
            "output_tokens": 7,
            "total_tokens": 42,
            "input_token_details": {"cache_read": 10, "cache_creation": 20},
        },
    ),
    output={
        "id": "msg_1",
        "model": "claude-3-5-sonnet-20241022",
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 7},
    },
)
BEDROCK_CONVERSE = chat(
    AIMessage(
        [{"type": "text", "text": "hi"}],
        response_metadata={
            "ResponseMetadata": {"RequestId": "r-1", "HTTPStatusCode": 200},
            "stopReason": "end_turn",
            "metrics": {"latencyMs": [500]},
            "model_name": "anthropic.claude-3-haiku-20240307-v1:0",
        },
        usage_metadata={"input_tokens": 11, "output_tokens": 22, "total_tokens": 33},
    )
)
BEDROCK_INVOKE = completion(
    output={
        "usage": {"prompt_tokens": 6, "completion_tokens": 9, "total_tokens": 15},
        "stop_reason": "stop_sequence",
        "model_id": "anthropic.claude-v2:1",
    }
)
BEDROCK_RAW = completion(info={"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}})
GEMINI_CHAT = chat(
    AIMessage(
        "hi",
        response_metadata={
            "prompt_feedback": {"block_reason": 0, "safety_ratings": []},
            "finish_reason": "STOP",
            "model_name": "gemini-2.0-flash",
            "safety_ratings": [],
        },
        usage_metadata={
            "input_tokens": 4,
            "output_tokens": 10,
            "total_tokens": 14,
            "input_token_details": {"cache_read": 0},
        },
    ),
    info={"finish_reason": "STOP", "model_name": "gemini-2.0-flash", "safety_ratings": []},
    output={"prompt_feedback": {"block_reason": 0, "safety_ratings": []}},
)
GEMINI_COMPLETION = completion(
    info={
        "is_blocked": False,
        "usage_metadata": {
            "prompt_token_count": 2,
            "candidates_token_count": 3,
            "total_token_count": 5,
            "cached_content_token_count": 0,
        },
    }
)
RESPONSE_METADATA_ONLY = chat(
    # ChatHuggingFace, older ChatMistralAI and others say it nowhere else
    AIMessage(
        "hi",
        response_metadata={
            "token_usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
            "model": "m",
            "finish_reason": "stop",
        },
    )
)
RECORDED = {
    "openai-completion": (OPENAI_COMPLETION, (24, 138, 162)),
    "openai-chat": (OPENAI_CHAT, (8, 3, 11)),
    "anthropic-chat": (ANTHROPIC_CHAT, (35, 7, 42)),
    "bedrock-converse": (BEDROCK_CONVERSE, (11, 22, 33)),
    "bedrock-invoke": (BEDROCK_INVOKE, (6, 9, 15)),
    "bedrock-raw": (BEDROCK_RAW, (3, 4, 7)),
    "gemini-chat": (GEMINI_CHAT, (4, 10, 14)),
    "gemini-completion": (GEMINI_COMPLETION, (2, 3, 5)),
    "response-metadata": (RESPONSE_METADATA_ONLY, (1, 2, 3)),
}


@pytest.mark.parametrize(("response", "wanted"), RECORDED.values(), ids=RECORDED)
def test_token_counts(response: LLMResult, wanted: tuple[int, int, int]) -> None:
    assert tokens(response) == wanted


def test_cached_and_reasoning_tokens() -> None:
    assert usage(OPENAI_CHAT)[names.USAGE_CACHE_READ_TOKENS] == 4
    assert usage(OPENAI_CHAT)[names.USAGE_REASONING_TOKENS] == 2
    assert usage(ANTHROPIC_CHAT)[names.USAGE_CACHE_READ_TOKENS] == 10
    assert usage(ANTHROPIC_CHAT)[names.USAGE_CACHE_CREATION_TOKENS] == 20
    raw = completion(
        output={
            "token_usage": {
                "prompt_tokens": 8,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            }
        }
    )
    assert usage(raw)[names.USAGE_CACHE_READ_TOKENS] == 4
    assert usage(raw)[names.USAGE_REASONING_TOKENS] == 2


@pytest.mark.parametrize(
    "output",
    [
        None,
        {},
        {"token_usage": None},
        {"token_usage": {}},
        {"token_usage": "many"},
        {"token_usage": {"prompt_tokens": None, "completion_tokens": None}},
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
    assert tokens(
        completion(output={"token_usage": {"prompt_tokens": 0, "completion_tokens": 0}})
    ) == (0, 0, 0)


def test_several_generations_of_one_prompt_count_their_usage_once() -> None:
    used = {"input_tokens": 8, "output_tokens": 6, "total_tokens": 14}
    message = AIMessage("a", usage_metadata=used)
    response = LLMResult(generations=[[ChatGeneration(message=message) for _ in range(2)]])
    assert tokens(response) == (8, 6, 14)


# -- responses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "model", "reason", "response_id"),
    [
        (OPENAI_COMPLETION, "text-davinci-003", "stop", None),
        (OPENAI_CHAT, "gpt-4o-2024-08-06", "stop", "chatcmpl-1"),
        (ANTHROPIC_CHAT, "claude-3-5-sonnet-20241022", "end_turn", "msg_1"),
        (BEDROCK_CONVERSE, "anthropic.claude-3-haiku-20240307-v1:0", "end_turn", None),
        (GEMINI_CHAT, "gemini-2.0-flash", "STOP", None),
    ],
    ids=["openai", "openai-chat", "anthropic", "bedrock", "gemini"],
)
def test_model_reason_and_id(
    response: LLMResult, model: str, reason: str, response_id: str | None
) -> None:
    found = said(response)
    assert found[names.RESPONSE_MODEL] == model
    assert found[names.RESPONSE_FINISH_REASONS] == [reason]
    assert found.get(names.RESPONSE_ID) == response_id


def test_bedrocks_stop_reason_stands_in_the_output() -> None:
    assert said(BEDROCK_INVOKE)[names.RESPONSE_MODEL] == "anthropic.claude-v2:1"
    assert said(BEDROCK_INVOKE)[names.RESPONSE_FINISH_REASONS] == ["stop_sequence"]


def test_log_probabilities_of_each_generation() -> None:
    first = {"tokens": ["a"], "token_logprobs": [-0.1]}
    generations = [
        Generation(text="a", generation_info={"logprobs": first}),
        Generation(text="b", generation_info={"logprobs": None}),
    ]
    found = said(LLMResult(generations=[generations]))
    assert json.loads(found[names.LOGPROBS]) == [first, None]
    assert names.LOGPROBS not in said(OPENAI_CHAT)


def test_finish_reasons_keep_their_places() -> None:
    generations = [
        Generation(text="a"),
        Generation(text="b", generation_info={"finish_reason": "length"}),
    ]
    assert said(LLMResult(generations=[generations]))[names.RESPONSE_FINISH_REASONS] == [
        "",
        "length",
    ]


def test_output_messages_of_several_generations() -> None:
    response = LLMResult(generations=[[Generation(text="a"), Generation(text="b")]])
    told = json.loads(models.output_messages(models.generations_of(response)))
    assert [message["parts"][0]["content"] for message in told] == ["a", "b"]


def test_an_empty_response_says_nothing() -> None:
    for generations in ([], [[]]):
        response = LLMResult(generations=generations)
        assert usage(response) == {}
        assert said(response) == {}


# -- requests ----------------------------------------------------------------------------


def test_request_of_openai() -> None:
    params = {
        "model": "gpt-4o",
        "_type": "openai-chat",
        "temperature": 0.0,
        "top_p": 1,
        "n": 2,
        "stop": ["\n"],
        "stream": True,
        "max_completion_tokens": 7,
        "seed": 3,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
    }
    metadata = {"ls_provider": "openai", "ls_model_name": "gpt-4o"}
    assert models.request_model(params, metadata) == "gpt-4o"
    assert models.provider(params, metadata) == "openai"
    assert dict(models.request_attributes(params, metadata)) == {
        names.REQUEST_TEMPERATURE: 0.0,
        names.REQUEST_TOP_P: 1,
        names.REQUEST_MAX_TOKENS: 7,
        names.REQUEST_SEED: 3,
        names.REQUEST_FREQUENCY_PENALTY: 0.1,
        names.REQUEST_PRESENCE_PENALTY: 0.2,
        names.REQUEST_STOP_SEQUENCES: ["\n"],
        names.REQUEST_CHOICE_COUNT: 2,
        names.REQUEST_STREAM: True,
    }


def test_request_of_standard_metadata_only() -> None:
    metadata = {
        "ls_provider": "anthropic",
        "ls_model_name": "claude",
        "ls_temperature": 0.5,
        "ls_max_tokens": 100,
        "ls_stop": ["x"],
    }
    assert models.request_model({}, metadata) == "claude"
    assert dict(models.request_attributes({}, metadata)) == {
        names.REQUEST_TEMPERATURE: 0.5,
        names.REQUEST_MAX_TOKENS: 100,
        names.REQUEST_STOP_SEQUENCES: ["x"],
    }


def test_a_request_that_says_nothing() -> None:
    assert models.request_model({}, {}) is None
    assert models.provider({}, {}) == "unknown"
    assert dict(models.request_attributes({}, {})) == {}


def test_strange_parameters_are_left_out() -> None:
    params = {"temperature": "hot", "top_k": True, "n": "two", "stop": 3, "max_tokens": None}
    assert dict(models.request_attributes(params, {})) == {}
