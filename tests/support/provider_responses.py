"""Model results in the shapes that LangChain's integrations give them, with what they say.

The integrations as of langchain-openai 1.7, -anthropic 1.7, -aws 1.9, -google-genai 4.4,
-google-vertexai 3.2, -mistralai 1.1, -cohere 0.6, -ollama 1.1, -groq 1.1, -huggingface 1.2,
-xai 1.3, -deepseek 1.1, -ibm 1.1, -azure-ai 1.2, and older ones where the shape was another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult


def completion(
    text: str = "t",
    info: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
) -> LLMResult:
    """A completion model's result."""
    return LLMResult(generations=[[Generation(text=text, generation_info=info)]], llm_output=output)


def chat(
    message: AIMessage,
    info: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
) -> LLMResult:
    """A chat model's result."""
    generation = ChatGeneration(message=message, generation_info=info)
    return LLMResult(generations=[[generation]], llm_output=output)


@dataclass(frozen=True)
class Recorded:
    """A result and what it says.

    Args:
        tokens: of input, output and both.
        parts: cache read, cache write and reasoning tokens.
    """

    response: LLMResult
    tokens: tuple[int | None, int | None, int | None]
    parts: tuple[int | None, int | None, int | None] = (None, None, None)
    model: str | None = None
    reason: str | None = None
    response_id: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


OPENAI_COMPLETION = Recorded(
    completion(
        info={"finish_reason": "stop", "logprobs": None},
        output={
            "token_usage": {"prompt_tokens": 24, "completion_tokens": 138, "total_tokens": 162},
            "model_name": "gpt-3.5-turbo-instruct",
        },
    ),
    (24, 138, 162),
    model="gpt-3.5-turbo-instruct",
    reason="stop",
)
OPENAI_CHAT = Recorded(
    chat(
        AIMessage(
            "hi",
            id="run--0f3c-0",
            usage_metadata={
                "input_tokens": 8,
                "output_tokens": 3,
                "total_tokens": 11,
                "input_token_details": {"audio": 0, "cache_read": 4},
                "output_token_details": {"audio": 0, "reasoning": 2},
            },
            response_metadata={
                "token_usage": {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11},
                "model_provider": "openai",
                "model_name": "gpt-4o-2024-08-06",
                "system_fingerprint": "fp_1",
                "id": "chatcmpl-1",
                "service_tier": "default",
                "finish_reason": "stop",
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
            "model_provider": "openai",
            "model_name": "gpt-4o-2024-08-06",
            "system_fingerprint": "fp_1",
            "id": "chatcmpl-1",
            "service_tier": "default",
        },
    ),
    (8, 3, 11),
    (4, None, 2),
    "gpt-4o-2024-08-06",
    "stop",
    "chatcmpl-1",
    {"openai.response.service_tier": "default", "openai.response.system_fingerprint": "fp_1"},
)
OPENAI_CHAT_STREAMED = Recorded(
    chat(
        AIMessage(
            "hi",
            id="run--0f3c",
            usage_metadata={"input_tokens": 8, "output_tokens": 3, "total_tokens": 11},
            response_metadata={
                "finish_reason": "tool_calls",
                "model_name": "gpt-4o-2024-08-06",
                "system_fingerprint": "fp_1",
                "model_provider": "openai",
            },
        ),
        info={
            "finish_reason": "tool_calls",
            "model_name": "gpt-4o-2024-08-06",
            "system_fingerprint": "fp_1",
        },
    ),
    (8, 3, 11),
    model="gpt-4o-2024-08-06",
    reason="tool_calls",
    more={"openai.response.system_fingerprint": "fp_1"},
)
OPENAI_FLEX = Recorded(
    chat(
        AIMessage(
            "hi",
            usage_metadata={
                "input_tokens": 20,
                "output_tokens": 10,
                "total_tokens": 30,
                "input_token_details": {"flex_cache_read": 5, "flex": 15},  # type: ignore[typeddict-unknown-key]
                "output_token_details": {"flex_reasoning": 4, "flex": 6},  # type: ignore[typeddict-unknown-key]
            },
            response_metadata={"finish_reason": "length", "model_name": "o3"},
        )
    ),
    (20, 10, 30),
    (5, None, 4),
    "o3",
    "length",
)
OPENAI_RESPONSES = Recorded(
    chat(
        AIMessage(
            [{"type": "text", "text": "hi", "annotations": [], "id": "msg_1"}],
            id="resp_1",
            usage_metadata={
                "input_tokens": 36,
                "output_tokens": 87,
                "total_tokens": 123,
                "input_token_details": {"cache_read": 0},
                "output_token_details": {"reasoning": 64},
            },
            response_metadata={
                "id": "resp_1",
                "created_at": 1741476777.0,
                "model": "gpt-5-2025-08-07",
                "object": "response",
                "status": "completed",
                "service_tier": "auto",
                "model_provider": "openai",
                "model_name": "gpt-5-2025-08-07",
            },
        )
    ),
    (36, 87, 123),
    (None, None, 64),
    "gpt-5-2025-08-07",
    "stop",
    "resp_1",
    {"openai.response.service_tier": "auto"},
)
OPENAI_RESPONSES_CUT = Recorded(
    chat(
        AIMessage(
            [],
            response_metadata={
                "id": "resp_2",
                "model": "gpt-5",
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
                "model_provider": "openai",
            },
        )
    ),
    (None, None, None),
    model="gpt-5",
    reason="max_output_tokens",
    response_id="resp_2",
)
AZURE_CHAT = Recorded(
    chat(
        AIMessage(
            "",
            usage_metadata={"input_tokens": 12, "output_tokens": 0, "total_tokens": 12},
            response_metadata={
                "token_usage": {"completion_tokens": 0, "prompt_tokens": 12, "total_tokens": 12},
                "model_name": "gpt-4o-2024-11-20",
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
                "finish_reason": "content_filter",
                "logprobs": None,
                "content_filter_results": {"hate": {"filtered": True, "severity": "high"}},
            },
        ),
        info={"finish_reason": "content_filter", "logprobs": None},
        output={
            "token_usage": {"completion_tokens": 0, "prompt_tokens": 12, "total_tokens": 12},
            "model_name": "gpt-4o-2024-11-20",
            "system_fingerprint": "fp_2",
            "id": "chatcmpl-2",
        },
    ),
    (12, 0, 12),
    model="gpt-4o-2024-11-20",
    reason="content_filter",
    response_id="chatcmpl-2",
)
AZURE_INFERENCE = Recorded(
    chat(
        AIMessage("hi", usage_metadata={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}),
        info={"finish_reason": "stop"},
        output={
            "model": "Mistral-Large",
            "object": "chat.completion",
            "token_usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
        },
    ),
    (5, 2, 7),
    model="Mistral-Large",
    reason="stop",
)
ANTHROPIC_CHAT = Recorded(
    chat(
        AIMessage(
            "hi",
            response_metadata={
                "id": "msg_1",
                "model": "claude-3-5-sonnet-20241022",
                "model_name": "claude-3-5-sonnet-20241022",
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "model_provider": "anthropic",
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
                "input_token_details": {
                    "cache_read": 10,
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 15,  # type: ignore[typeddict-unknown-key]
                    "ephemeral_1h_input_tokens": 5,
                },
                "output_token_details": {"reasoning": 3},
            },
        ),
        output={
            "id": "msg_1",
            "model": "claude-3-5-sonnet-20241022",
            "model_name": "claude-3-5-sonnet-20241022",
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 5, "output_tokens": 7},
        },
    ),
    (35, 7, 42),
    (10, 20, 3),
    "claude-3-5-sonnet-20241022",
    "end_turn",
    "msg_1",
)
ANTHROPIC_RAW = Recorded(
    # langchain-anthropic 0.1 told the API's own usage only, which leaves cached tokens out
    chat(
        AIMessage("hi"),
        output={
            "id": "msg_2",
            "model": "claude-3-opus-20240229",
            "stop_reason": "max_tokens",
            "usage": {
                "input_tokens": 5,
                "output_tokens": 7,
                "cache_read_input_tokens": 10,
                "cache_creation_input_tokens": 20,
            },
        },
    ),
    (35, 7, 42),
    (10, 20, None),
    "claude-3-opus-20240229",
    "max_tokens",
    "msg_2",
)
BEDROCK_CONVERSE = Recorded(
    chat(
        AIMessage(
            [{"type": "text", "text": "hi"}],
            id="lc_run--1",
            response_metadata={
                "ResponseMetadata": {"RequestId": "r-1", "HTTPStatusCode": 200},
                "stopReason": "tool_use",
                "metrics": {"latencyMs": [500]},
                "model_provider": "bedrock_converse",
                "model_name": "anthropic.claude-3-haiku-20240307-v1:0",
            },
            usage_metadata={
                "input_tokens": 11,
                "output_tokens": 22,
                "total_tokens": 33,
                "input_token_details": {"cache_read": 0, "cache_creation": 6},
            },
        )
    ),
    (11, 22, 33),
    (None, 6, None),
    "anthropic.claude-3-haiku-20240307-v1:0",
    "tool_use",
)
BEDROCK_INVOKE = Recorded(
    completion(
        output={
            "usage": {"prompt_tokens": 6, "completion_tokens": 9, "total_tokens": 15},
            "stop_reason": "stop_sequence",
            "model_id": "anthropic.claude-v2:1",
        }
    ),
    (6, 9, 15),
    model="anthropic.claude-v2:1",
    reason="stop_sequence",
)
BEDROCK_RAW = Recorded(
    completion(
        info={
            "usage": {
                "inputTokens": 3,
                "outputTokens": 4,
                "totalTokens": 15,
                "cacheReadInputTokens": 8,
            }
        }
    ),
    (11, 4, 15),
    (8, None, None),
)
GEMINI_CHAT = Recorded(
    chat(
        AIMessage(
            "hi",
            response_metadata={
                "prompt_feedback": {"block_reason": 0, "safety_ratings": []},
                "finish_reason": "STOP",
                "model_name": "gemini-2.5-flash",
                "safety_ratings": [],
                "model_provider": "google_genai",
            },
            usage_metadata={
                "input_tokens": 4,
                "output_tokens": 10,
                "total_tokens": 14,
                "input_token_details": {"cache_read": 0},
                "output_token_details": {"reasoning": 7},
            },
        ),
        info={"finish_reason": "STOP", "model_name": "gemini-2.5-flash", "safety_ratings": []},
        output={"prompt_feedback": {"block_reason": 0, "safety_ratings": []}},
    ),
    (4, 10, 14),
    (None, None, 7),
    "gemini-2.5-flash",
    "STOP",
)
VERTEX_COMPLETION = Recorded(
    completion(
        info={
            "is_blocked": False,
            "finish_reason": "MAX_TOKENS",
            "usage_metadata": {
                "prompt_token_count": 2,
                "candidates_token_count": 3,
                "thoughts_token_count": 4,
                "total_token_count": 9,
                "cached_content_token_count": 1,
            },
        }
    ),
    (2, 7, 9),
    (1, None, 4),
    reason="MAX_TOKENS",
)
MISTRAL_CHAT = Recorded(
    chat(
        AIMessage(
            "hi",
            usage_metadata={"input_tokens": 13, "output_tokens": 27, "total_tokens": 40},
            response_metadata={
                "token_usage": {"prompt_tokens": 13, "total_tokens": 40, "completion_tokens": 27},
                "model_name": "mistral-small",
                "model": "mistral-small",
                "finish_reason": "stop",
                "model_provider": "mistralai",
            },
        ),
        info={"finish_reason": "stop"},
        output={
            "token_usage": {"prompt_tokens": 13, "total_tokens": 40, "completion_tokens": 27},
            "model_name": "mistral-small",
            "model": "mistral-small",
        },
    ),
    (13, 27, 40),
    model="mistral-small",
    reason="stop",
)
COHERE_CHAT = Recorded(
    # of langchain-cohere 0.1: counts in floats, and on the generation only
    chat(
        AIMessage("hi", response_metadata={"finish_reason": "COMPLETE"}),
        info={
            "documents": None,
            "finish_reason": "COMPLETE",
            "generation_id": "6f0f1a",
            "token_count": {"input_tokens": 205.0, "output_tokens": 8.0},
        },
    ),
    (205, 8, 213),
    reason="COMPLETE",
    response_id="6f0f1a",
)
OLLAMA_CHAT = Recorded(
    chat(
        AIMessage(
            "hi",
            id="run--1-0",
            usage_metadata={"input_tokens": 10, "output_tokens": 47, "total_tokens": 57},
            response_metadata={
                "model": "llama3.2:1b",
                "created_at": "2025-02-05T01:23:45Z",
                "done": True,
                "done_reason": "stop",
                "total_duration": 603_000_000,
                "prompt_eval_count": 10,
                "eval_count": 47,
                "model_name": "llama3.2:1b",
            },
        ),
        info={"model": "llama3.2:1b", "done": True, "done_reason": "stop", "eval_count": 47},
    ),
    (10, 47, 57),
    model="llama3.2:1b",
    reason="stop",
)
OLLAMA_COMPLETION = Recorded(
    completion(
        info={
            "model": "llama3.2:1b",
            "created_at": "2025-02-05T01:23:45Z",
            "done": True,
            "done_reason": "length",
            "prompt_eval_count": 26,
            "eval_count": 298,
            "response": "",
        }
    ),
    (26, 298, 324),
    model="llama3.2:1b",
    reason="length",
)
GROQ_CHAT = Recorded(
    chat(
        AIMessage(
            "hi",
            usage_metadata={"input_tokens": 28, "output_tokens": 38, "total_tokens": 66},
            response_metadata={
                "token_usage": {
                    "completion_tokens": 38,
                    "prompt_tokens": 28,
                    "total_tokens": 66,
                    "completion_time": 0.057975474,
                    "queue_time": None,
                },
                "model_name": "llama-3.1-8b-instant",
                "system_fingerprint": "fp_c5f20b5bb1",
                "service_tier": "on_demand",
                "finish_reason": "stop",
                "logprobs": None,
                "model_provider": "groq",
            },
        ),
        info={"finish_reason": "stop", "logprobs": None},
        output={
            "token_usage": {"completion_tokens": 38, "prompt_tokens": 28, "total_tokens": 66},
            "model_name": "llama-3.1-8b-instant",
            "system_fingerprint": "fp_c5f20b5bb1",
            "service_tier": "on_demand",
        },
    ),
    (28, 38, 66),
    model="llama-3.1-8b-instant",
    reason="stop",
)
HUGGINGFACE_CHAT = Recorded(
    # older ChatHuggingFace tells it nowhere else
    chat(
        AIMessage(
            "hi",
            response_metadata={
                "token_usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
                "model": "",
                "model_name": "HuggingFaceH4/zephyr-7b-beta",
                "finish_reason": "length",
            },
        )
    ),
    (1, 2, 3),
    model="HuggingFaceH4/zephyr-7b-beta",
    reason="length",
)
XAI_CHAT = Recorded(
    chat(
        AIMessage(
            "hi",
            usage_metadata={
                "input_tokens": 9,
                "output_tokens": 110,
                "total_tokens": 119,
                "output_token_details": {"reasoning": 100},
            },
            response_metadata={
                "model_name": "grok-4",
                "finish_reason": "stop",
                "id": "4d0d",
                "model_provider": "xai",
            },
        )
    ),
    (9, 110, 119),
    (None, None, 100),
    "grok-4",
    "stop",
    "4d0d",
)
DEEPSEEK_RAW = Recorded(
    completion(
        info={"finish_reason": "insufficient_system_resource"},
        output={
            "token_usage": {
                "prompt_tokens": 30,
                "completion_tokens": 5,
                "total_tokens": 35,
                "prompt_cache_hit_tokens": 20,
                "prompt_cache_miss_tokens": 10,
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            "model_name": "deepseek-reasoner",
        },
    ),
    (30, 5, 35),
    (20, None, 4),
    "deepseek-reasoner",
    "insufficient_system_resource",
)
WATSONX_COMPLETION = Recorded(
    completion(
        info={"finish_reason": "eos_token"},
        output={
            "token_usage": {"generated_token_count": 20, "input_token_count": 4},
            "model_id": "ibm/granite-3-8b-instruct",
            "deployment_id": None,
        },
    ),
    (4, 20, 24),
    model="ibm/granite-3-8b-instruct",
    reason="eos_token",
)
LITELLM_CHAT = Recorded(
    # prompt_tokens include what Anthropic's input_tokens leave out, under Anthropic's names
    chat(
        AIMessage("hi"),
        info={"finish_reason": "stop"},
        output={
            "token_usage": {
                "prompt_tokens": 35,
                "completion_tokens": 7,
                "total_tokens": 42,
                "cache_read_input_tokens": 10,
            },
            "model": "claude-3-5-sonnet",
        },
    ),
    (35, 7, 42),
    (10, None, None),
    "claude-3-5-sonnet",
    "stop",
)

RECORDED: dict[str, Recorded] = {
    name.lower().replace("_", "-"): value
    for name, value in list(globals().items())
    if isinstance(value, Recorded)
}
