"""Token counts of a model call, from wherever LangChain's integrations put them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from clearml_otel import attributes as names
from clearml_otel.langchain.guard import report_error
from clearml_otel.langchain.mappings import fields_of
from clearml_otel.langchain.model_answers import Answers

_LARGEST: Final = 1 << 63
"""OTLP's integers have 64 bits."""

_COUNTS: Final[Mapping[str, str]] = {
    # LangChain's usage_metadata, and Anthropic's and OpenAI's usage
    "input_tokens": names.USAGE_INPUT_TOKENS,
    "output_tokens": names.USAGE_OUTPUT_TOKENS,
    "total_tokens": names.USAGE_TOTAL_TOKENS,
    "prompt_tokens": names.USAGE_INPUT_TOKENS,
    "completion_tokens": names.USAGE_OUTPUT_TOKENS,
    # Bedrock
    "inputTokens": names.USAGE_INPUT_TOKENS,
    "outputTokens": names.USAGE_OUTPUT_TOKENS,
    "totalTokens": names.USAGE_TOTAL_TOKENS,
    # Gemini and Vertex AI
    "prompt_token_count": names.USAGE_INPUT_TOKENS,
    "candidates_token_count": names.USAGE_OUTPUT_TOKENS,
    "total_token_count": names.USAGE_TOTAL_TOKENS,
    # Ollama
    "prompt_eval_count": names.USAGE_INPUT_TOKENS,
    "eval_count": names.USAGE_OUTPUT_TOKENS,
    # watsonx.ai
    "input_token_count": names.USAGE_INPUT_TOKENS,
    "generated_token_count": names.USAGE_OUTPUT_TOKENS,
}
_CACHE_READ: Final = frozenset(
    {
        "cache_read",
        "flex_cache_read",
        "priority_cache_read",
        "cached_tokens",
        "cache_read_input_tokens",
        "cacheReadInputTokens",
        "cached_content_token_count",
        "prompt_cache_hit_tokens",
    }
)
_CACHE_WRITE: Final = frozenset(
    {
        "cache_creation",
        "flex_cache_creation",
        "priority_cache_creation",
        # Anthropic's, told apart by how long they live; LangChain sets cache_creation to 0 then
        "ephemeral_5m_input_tokens",
        "ephemeral_1h_input_tokens",
        "cache_write_tokens",
        "cache_creation_input_tokens",
        "cache_write_input_tokens",
        "cacheWriteInputTokens",
    }
)
_REASONING: Final = frozenset(
    {
        "reasoning",
        "flex_reasoning",
        "priority_reasoning",
        "reasoning_tokens",
        "thinking_tokens",
        "thoughts_token_count",
    }
)
_PARTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(_CACHE_READ, names.USAGE_CACHE_READ_TOKENS),
    **dict.fromkeys(_CACHE_WRITE, names.USAGE_CACHE_CREATION_TOKENS),
    **dict.fromkeys(_REASONING, names.USAGE_REASONING_TOKENS),
}
_INPUT_PARTS: Final[Mapping[str, str]] = {
    **_PARTS,
    "text": names.USAGE_TEXT_INPUT_TOKENS,
    "text_tokens": names.USAGE_TEXT_INPUT_TOKENS,
    "image": names.USAGE_IMAGE_INPUT_TOKENS,
    "image_tokens": names.USAGE_IMAGE_INPUT_TOKENS,
    "audio": names.USAGE_AUDIO_INPUT_TOKENS,
    "audio_tokens": names.USAGE_AUDIO_INPUT_TOKENS,
}
_OUTPUT_PARTS: Final[Mapping[str, str]] = {
    **_PARTS,
    "text": names.USAGE_TEXT_OUTPUT_TOKENS,
    "text_tokens": names.USAGE_TEXT_OUTPUT_TOKENS,
    "image": names.USAGE_IMAGE_OUTPUT_TOKENS,
    "image_tokens": names.USAGE_IMAGE_OUTPUT_TOKENS,
    "audio": names.USAGE_AUDIO_OUTPUT_TOKENS,
    "audio_tokens": names.USAGE_AUDIO_OUTPUT_TOKENS,
}
_DETAILS: Final[Mapping[str, Mapping[str, str]]] = {
    "input_token_details": _INPUT_PARTS,
    "input_tokens_details": _INPUT_PARTS,
    "prompt_tokens_details": _INPUT_PARTS,
    "output_token_details": _OUTPUT_PARTS,
    "output_tokens_details": _OUTPUT_PARTS,
    "completion_tokens_details": _OUTPUT_PARTS,
}
_LEFT_OUT: Final = (
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cacheReadInputTokens",
    "cacheWriteInputTokens",
)
_USAGE_KEYS: Final = ("token_usage", "usage", "usage_metadata", "token_count")


def usage_attributes(answers: Answers) -> dict[str, int]:
    """The token counts of a call: the message's own where there are, else those told beside it.

    Input counts include what was read from and written to a cache, and output counts include
    reasoning, as the GenAI conventions want it. A total is told where it is not just their sum.
    Counts of 0 are kept for input and output, and left out for their parts. An answer from
    LangChain's cache took none.

    Args:
        answers: several answers to one prompt tell the same usage, which is read once.
    """
    for item in answers.items:
        if item.usage:
            # what LangChain marks an answer from its cache with, beside the first call's usage
            if "total_cost" in item.usage and _count(item.usage["total_cost"]) == 0:
                return {}
            if found := _counts(item.usage):
                return found
    # where most completions have it
    told: object = answers.output.get("token_usage")
    if type(told) is dict and (found := _counts(cast("dict[str, Any]", told))):
        return found
    for source in _elsewhere(answers):
        if source and (found := _counts(source)):
            return found
    return {}


def _counts(usage: dict[str, Any]) -> dict[str, int]:
    try:
        return _read(usage)
    except Exception as error:  # noqa: BLE001 - a count of the provider's own may raise anything
        report_error("usage", error)
        return {}


def _elsewhere(answers: Answers) -> Iterator[dict[str, Any]]:
    """Where usage may stand that no message tells, the best place first."""
    for key in _USAGE_KEYS:
        yield fields_of(answers.output.get(key))
    for item in answers.items:
        for said in (item.metadata, item.info):
            for key in _USAGE_KEYS:
                yield fields_of(said.get(key))
    for item in answers.items:  # Ollama's counts stand among its other fields
        yield item.metadata
        yield item.info


def _read(usage: dict[str, Any]) -> dict[str, int]:
    """The counts that a mapping tells; empty where it tells neither input nor output."""
    found: dict[str, int] = {}
    native = False
    for key, value in usage.items():
        attribute = _COUNTS.get(key)
        if attribute is not None:
            count = value if type(value) is int and 0 <= value < _LARGEST else _count(value)
            if count is not None and attribute not in found:
                found[attribute] = count
        elif key in _DETAILS:
            known = _DETAILS[key]
            for part, inner in fields_of(value).items():
                if inner and part in known:
                    _add(found, known[part], inner)
        elif key in _PARTS:
            native = True
            _add(found, _PARTS[key], value)
    if names.USAGE_INPUT_TOKENS not in found and names.USAGE_OUTPUT_TOKENS not in found:
        return {}
    if native:
        _include_parts(usage, found)
    total = found.get(names.USAGE_TOTAL_TOKENS)
    if total is not None:
        asked, answered = names.USAGE_INPUT_TOKENS, names.USAGE_OUTPUT_TOKENS
        if total == found.get(asked, 0) + found.get(answered, 0):
            del found[names.USAGE_TOTAL_TOKENS]
    if names.USAGE_CACHE_CREATION_TOKENS in found:
        found[names.USAGE_CACHE_WRITE_TOKENS] = found[names.USAGE_CACHE_CREATION_TOKENS]
    return found


def _include_parts(usage: Mapping[str, Any], found: dict[str, int]) -> None:
    """Make a provider's own counts include their parts.

    Anthropic's ``input_tokens`` and Bedrock's ``inputTokens`` leave cached tokens out; others tell
    those under the same names beside ``prompt_tokens``, which includes them. Gemini's candidates
    leave their thoughts out.
    """
    if "input_tokens" in usage or "inputTokens" in usage:
        left_out = sum(_count(usage.get(key)) or 0 for key in _LEFT_OUT)
        found[names.USAGE_INPUT_TOKENS] = found.get(names.USAGE_INPUT_TOKENS, 0) + left_out
    if "candidates_token_count" in usage:
        thoughts = found.get(names.USAGE_REASONING_TOKENS, 0)
        found[names.USAGE_OUTPUT_TOKENS] = found.get(names.USAGE_OUTPUT_TOKENS, 0) + thoughts


def _add(found: dict[str, int], attribute: str, value: object) -> None:
    """Add to a part: there may be several, told apart by price."""
    count = _count(value)
    if count:
        found[attribute] = found.get(attribute, 0) + count


def _count(value: object) -> int | None:
    if type(value) is not int:
        # Cohere counts in floats
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if isinstance(value, float) and not value.is_integer():
            return None
        value = int(value)
    return value if 0 <= value < _LARGEST else None
