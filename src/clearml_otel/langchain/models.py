"""Attributes of model runs: requests at their start, answers and usage at their end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from clearml_otel import attributes as names
from clearml_otel.langchain.messages import output_message
from clearml_otel.langchain.values import plain_json, to_json, to_text

Value: TypeAlias = "str | int | float | bool | Sequence[str]"
Pairs: TypeAlias = Iterator[tuple[str, Value]]

_MODEL_KEYS: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment")
_NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    names.REQUEST_TEMPERATURE: ("temperature",),
    names.REQUEST_TOP_P: ("top_p",),
    names.REQUEST_TOP_K: ("top_k",),
    names.REQUEST_MAX_TOKENS: ("max_tokens", "max_completion_tokens", "max_output_tokens"),
    names.REQUEST_SEED: ("seed",),
    names.REQUEST_FREQUENCY_PENALTY: ("frequency_penalty",),
    names.REQUEST_PRESENCE_PENALTY: ("presence_penalty",),
}
_FINISH_KEYS: Final = ("finish_reason", "stop_reason", "stopReason")
_INPUT_TOKENS: Final = ("prompt_tokens", "input_tokens", "prompt_token_count", "inputTokens")
_OUTPUT_TOKENS: Final = (
    "completion_tokens",
    "output_tokens",
    "candidates_token_count",
    "outputTokens",
)
_USAGE_KEYS: Final = _INPUT_TOKENS + _OUTPUT_TOKENS
_TOTAL_TOKENS: Final = ("total_tokens", "total_token_count", "totalTokens")


def request_model(params: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """The model asked for, from the invocation parameters or LangChain's standard metadata."""
    candidates = [params.get(key) for key in _MODEL_KEYS]
    candidates.append(metadata.get("ls_model_name"))
    return next((to_text(model) for model in candidates if model), None)


def provider(params: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """The provider's name: LangChain's ``ls_provider``, else the model class's ``_type``."""
    found = metadata.get("ls_provider") or str(params.get("_type") or "").split("-")[0]
    return to_text(found) if found else "unknown"


def request_attributes(params: Mapping[str, Any], metadata: Mapping[str, Any]) -> Pairs:
    """Sampling parameters of a call."""
    for attribute, keys in _NUMBERS.items():
        standard = metadata.get(f"ls_{keys[0]}")
        value = next((params[key] for key in keys if params.get(key) is not None), standard)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield attribute, value
    stop = params.get("stop") or metadata.get("ls_stop")
    if isinstance(stop, str):
        yield names.REQUEST_STOP_SEQUENCES, [stop]
    elif isinstance(stop, (list, tuple)) and stop:
        yield names.REQUEST_STOP_SEQUENCES, [to_text(item) for item in cast("list[Any]", stop)]
    choices = params.get("n")
    if isinstance(choices, int) and choices > 1:
        yield names.REQUEST_CHOICE_COUNT, choices
    if params.get("stream") is True or params.get("streaming") is True:
        yield names.REQUEST_STREAM, True


def generations_of(response: LLMResult) -> list[Generation]:
    """The answers to the one prompt of a run; LangChain gives each run its own result."""
    return [item for prompt in response.generations for item in prompt]


def response_attributes(response: LLMResult, generations: Sequence[Generation]) -> Pairs:
    """Model, id, finish reasons and log probabilities."""
    output = _mapping(response.llm_output)
    infos = [_mapping(item.generation_info) for item in generations]
    messages = [_message(item) for item in generations]
    metadata = [_mapping(getattr(message, "response_metadata", None)) for message in messages]
    sources = [output, *metadata, *infos]
    if model := _first(sources, ("model_name", "model", "model_id")):
        yield names.RESPONSE_MODEL, to_text(model)
    message_id = next((message.id for message in messages if message), None)
    if response_id := _first([output, *metadata], ("id",)) or message_id:
        yield names.RESPONSE_ID, to_text(response_id)
    # Bedrock's completions say it once, beside the answers
    common = _first([output], _FINISH_KEYS)
    reasons = [finish_reason(item) or to_text(common or "") for item in generations]
    if any(reasons):
        yield names.RESPONSE_FINISH_REASONS, reasons
    logprobs = [
        info.get("logprobs") or extra.get("logprobs")
        for info, extra in zip(infos, metadata, strict=True)
    ]
    if any(item is not None for item in logprobs):
        yield names.LOGPROBS, to_json(logprobs)


def output_messages(generations: Sequence[Generation]) -> str:
    """The answers as the convention's output messages."""
    return plain_json(
        [output_message(item.text, _message(item), finish_reason(item)) for item in generations]
    )


def finish_reason(generation: Generation) -> str | None:
    """Why the model stopped, in the provider's word."""
    extra = _mapping(getattr(_message(generation), "response_metadata", None))
    reason = _first(
        [_mapping(generation.generation_info), extra],
        ("finish_reason", "stop_reason", "stopReason"),
    )
    return to_text(reason) if reason else None


def usage_attributes(response: LLMResult, generations: Sequence[Generation]) -> Pairs:
    """Token counts: the message's own where there are, else those of the whole call."""
    output = _mapping(response.llm_output)
    sources = _usages(output, generations)
    usage = next((source for source in sources if source and _tells_usage(source)), None)
    if usage is None:
        return
    yield from _counts(usage)
    for group, key, attribute in (
        ("input_token_details", "cache_read", names.USAGE_CACHE_READ_TOKENS),
        ("input_token_details", "cache_creation", names.USAGE_CACHE_CREATION_TOKENS),
        ("output_token_details", "reasoning", names.USAGE_REASONING_TOKENS),
        ("prompt_tokens_details", "cached_tokens", names.USAGE_CACHE_READ_TOKENS),
        ("completion_tokens_details", "reasoning_tokens", names.USAGE_REASONING_TOKENS),
    ):
        count = _mapping(usage.get(group)).get(key)
        if isinstance(count, int) and count:
            yield attribute, count


def _tells_usage(source: Mapping[str, Any]) -> bool:
    return any(source.get(key) is not None for key in _USAGE_KEYS)


def _usages(
    output: Mapping[str, Any], generations: Sequence[Generation]
) -> Iterator[Mapping[str, Any]]:
    """Where usage may stand, the best place first."""
    keys = ("token_usage", "usage", "usage_metadata")
    messages = [_message(item) for item in generations]
    for message in messages:
        yield _mapping(getattr(message, "usage_metadata", None))
    for key in keys[:2]:
        yield _mapping(output.get(key))
    for item, message in zip(generations, messages, strict=True):
        for said in (getattr(message, "response_metadata", None), item.generation_info):
            known = _mapping(said)
            yield from (_mapping(known.get(key)) for key in keys)


def _counts(usage: Mapping[str, Any]) -> Pairs:
    prompt, completion, total = (
        _first([usage], keys) for keys in (_INPUT_TOKENS, _OUTPUT_TOKENS, _TOTAL_TOKENS)
    )
    if total is None and isinstance(prompt, int) and isinstance(completion, int):
        total = prompt + completion
    for attribute, count in (
        (names.USAGE_INPUT_TOKENS, prompt),
        (names.USAGE_OUTPUT_TOKENS, completion),
        (names.USAGE_TOTAL_TOKENS, total),
    ):
        if isinstance(count, int) and not isinstance(count, bool):
            yield attribute, count


def _message(generation: Generation) -> BaseMessage | None:
    return generation.message if isinstance(generation, ChatGeneration) else None


def _mapping(value: object) -> Mapping[str, Any]:
    if type(value) is dict or isinstance(value, Mapping):  # the ABC's check is slow
        return cast("Mapping[str, Any]", value)
    return {}


def _first(sources: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Any:
    for source in sources:
        for key in keys:
            if source.get(key) is not None:
                return source[key]
    return None
