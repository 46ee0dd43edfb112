"""Attributes of model runs at their start: what is asked of which model, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from clearml_otel import attributes as names
from clearml_otel.langchain.guard import report_error
from clearml_otel.langchain.mappings import fields_of, word
from clearml_otel.langchain.providers import OPENAI_PROVIDERS, provider, server
from clearml_otel.langchain.values import Json, to_text

Attributes: TypeAlias = "dict[str, Any]"
Reader: TypeAlias = "Callable[[Any], Any]"

_MODEL_KEYS: Final = ("model", "model_name", "model_id", "deployment_name", "azure_deployment")
_FUNCTION_KEYS: Final = ("function", "toolSpec", "custom")
_LARGEST_INT: Final = 1 << 63
"""OTLP's integers have 64 bits; one that is larger would cost the whole batch of spans."""


def request_attributes(
    operation: str,
    params: Mapping[str, Any],
    metadata: Mapping[str, Any],
    serialized: Mapping[str, Any] | None = None,
) -> Attributes:
    """What a model call asks for, as the GenAI conventions name it.

    Args:
        operation: ``chat`` or ``text_completion``.
        params: the callback's ``invocation_params``.
        metadata: the callback's ``metadata`` with LangChain's standard ``ls_…`` keys.
        serialized: the callback's first argument, whose ``kwargs`` hold the server's address.

    Returns:
        Attributes without content; a value that does not fit its attribute is left out.
    """
    params, metadata = fields_of(params), fields_of(metadata)
    served_by = provider(params, metadata)
    found: Attributes = {names.OPERATION_NAME: operation, names.PROVIDER_NAME: served_by}
    model = request_model(params, metadata)
    if model is not None:
        found[names.REQUEST_MODEL] = model
    for inner in _read(params, found):
        _read(inner, found)
    if not _STANDARD_KEYS.isdisjoint(metadata):
        for key, entry in _STANDARD:
            if entry[0] not in found and (value := metadata.get(key)) is not None:
                _note(found, entry, value)
    if names.OPENAI_REQUEST_SERVICE_TIER in found and served_by not in OPENAI_PROVIDERS:
        del found[names.OPENAI_REQUEST_SERVICE_TIER]
    address = server(fields_of(fields_of(serialized).get("kwargs"))) or server(params)
    if address is not None:
        found[names.SERVER_ADDRESS], found[names.SERVER_PORT] = address
    return found


def request_model(params: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """The model asked for, from the invocation parameters or LangChain's standard metadata."""
    for key in _MODEL_KEYS:
        value = params.get(key)
        if value is not None and (model := word(value)):
            return model
    value = metadata.get("ls_model_name")
    return word(value) or None if value is not None else None


def tool_definitions(params: Mapping[str, Any]) -> list[Json]:
    """The tools offered to the model, as ``gen_ai.tool.definitions`` wants them; content.

    Of each tool the type and the name, which the conventions require; descriptions and JSON
    schemas are the same in every call, and large.

    Args:
        params: the callback's ``invocation_params`` with ``tools`` in any provider's shape.
    """
    offered = params.get("tools") or params.get("functions")
    definitions: list[Json] = []
    if isinstance(offered, (list, tuple)):
        for tool in cast("Sequence[object]", offered):
            definitions.extend(_definitions(tool))
    return definitions


def _definitions(tool: object) -> list[Json]:
    if not isinstance(tool, dict):
        return []
    fields = cast("dict[str, Any]", tool)
    declared = fields.get("function_declarations")
    if isinstance(declared, (list, tuple)):  # Google puts all its functions into one tool
        each = [_definitions(item) for item in cast("Sequence[object]", declared)]
        return [definition for item in each for definition in item]
    kind, name = fields.get("type"), fields.get("name")
    for key in _FUNCTION_KEYS:
        name = name or fields_of(fields.get(key)).get("name")
    if kind is None and name is None and len(fields) == 1:
        kind = next(iter(fields))  # Google's own tools, such as {"google_search": {}}
    if kind is None or kind == "custom":
        kind = "function"  # Anthropic's and Bedrock's functions have no type
    if name is None and kind != "function":
        name = kind
    return [] if name is None else [{"type": word(kind), "name": word(name)}]


def _read(given: Mapping[str, Any], found: Attributes) -> list[dict[str, Any]]:
    """Put the known parameters into ``found``, where they are not in it yet.

    Returns:
        The dictionaries with more parameters that stand among the given ones.
    """
    nested: list[dict[str, Any]] = []
    for key, value in given.items():
        if value is None:
            continue
        entry = _PARAMS.get(key)
        if entry is None:
            if key in _NESTED and type(value) is dict:
                nested.append(cast("dict[str, Any]", value))
            continue
        attribute, reader = entry
        if attribute in found:
            continue
        # as the readers would read these
        if reader is _double:
            known = type(value) is float
        else:
            known = reader is _integer and type(value) is int and 0 <= value < _LARGEST_INT
        if known:
            found[attribute] = value
        else:
            _note(found, entry, value)
    return nested


def _note(found: Attributes, entry: tuple[str, Reader], value: object) -> None:
    attribute, reader = entry
    try:
        known = reader(value)
    except Exception as error:  # noqa: BLE001 - a parameter's own code may raise anything
        report_error("request", error)
        return
    if known is not None:
        found[attribute] = known


# -- readers: the attribute's value, or None where the parameter holds none -----------------------


def _double(value: object) -> float | None:
    if type(value) is float:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if -_LARGEST_INT < value < _LARGEST_INT else None
    return None


def _integer(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if -_LARGEST_INT < value < _LARGEST_INT else None
    return None


def _choices(value: object) -> int | None:
    if value == 1:
        return None
    count = _integer(value)
    return count if count is not None and count > 1 else None


def _true(value: object) -> bool | None:
    return True if value is True else None


def _texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [to_text(value)] if value else None
    if isinstance(value, (list, tuple)) and value:
        return [to_text(item) for item in cast("Sequence[object]", value)]
    return None


def _text(value: object) -> str | None:
    return word(value) if isinstance(value, str) and value else None


def _tier(value: object) -> str | None:
    tier = _text(value)
    return None if tier == "auto" else tier


def _level(value: object) -> str | None:
    """How hard the model shall think: a word, alone or in an object such as OpenAI's."""
    return _text(fields_of(value).get("effort") if isinstance(value, dict) else value)


def _output_type(value: object) -> str | None:
    """The type of output that a ``response_format`` or the like asks for."""
    if isinstance(value, type):
        return "json"  # a class of the application's own, to be filled
    if isinstance(value, dict) and value:
        kind = cast("dict[str, Any]", value).get("type")
        # Ollama's format is the bare JSON schema
        value = kind if isinstance(kind, str) else "json"
    if not isinstance(value, str):
        return None
    word = value.lower()
    return "json" if "json" in word or word == "object" else "text" if "text" in word else None


def _text_format(value: object) -> str | None:
    """Likewise, of the ``text`` of OpenAI's Responses API."""
    return _output_type(fields_of(value).get("format"))


def _modality(value: object) -> str | None:
    """The type of output among ``modalities`` that is not plain text."""
    words = [str(item).lower() for item in _texts(value) or ()]
    return "speech" if "audio" in words else "image" if "image" in words else None


_PARAMS: Final[Mapping[str, tuple[str, Reader]]] = {
    "temperature": (names.REQUEST_TEMPERATURE, _double),
    "top_p": (names.REQUEST_TOP_P, _double),
    "topP": (names.REQUEST_TOP_P, _double),
    "p": (names.REQUEST_TOP_P, _double),
    "top_k": (names.REQUEST_TOP_K, _double),
    "topK": (names.REQUEST_TOP_K, _double),
    "k": (names.REQUEST_TOP_K, _double),
    "frequency_penalty": (names.REQUEST_FREQUENCY_PENALTY, _double),
    "presence_penalty": (names.REQUEST_PRESENCE_PENALTY, _double),
    "max_tokens": (names.REQUEST_MAX_TOKENS, _integer),
    "maxTokens": (names.REQUEST_MAX_TOKENS, _integer),
    "max_completion_tokens": (names.REQUEST_MAX_TOKENS, _integer),
    "max_output_tokens": (names.REQUEST_MAX_TOKENS, _integer),
    "max_new_tokens": (names.REQUEST_MAX_TOKENS, _integer),
    "max_tokens_to_sample": (names.REQUEST_MAX_TOKENS, _integer),
    "num_predict": (names.REQUEST_MAX_TOKENS, _integer),
    "seed": (names.REQUEST_SEED, _integer),
    "random_seed": (names.REQUEST_SEED, _integer),
    "stop": (names.REQUEST_STOP_SEQUENCES, _texts),
    "stop_sequences": (names.REQUEST_STOP_SEQUENCES, _texts),
    "stopSequences": (names.REQUEST_STOP_SEQUENCES, _texts),
    "n": (names.REQUEST_CHOICE_COUNT, _choices),
    "candidate_count": (names.REQUEST_CHOICE_COUNT, _choices),
    "stream": (names.REQUEST_STREAM, _true),
    "streaming": (names.REQUEST_STREAM, _true),
    "reasoning_effort": (names.REQUEST_REASONING_LEVEL, _level),
    "reasoning": (names.REQUEST_REASONING_LEVEL, _level),
    "thinking_level": (names.REQUEST_REASONING_LEVEL, _level),
    "output_config": (names.REQUEST_REASONING_LEVEL, _level),
    "previous_response_id": (names.REQUEST_PREVIOUS_RESPONSE_ID, _text),
    "response_format": (names.OUTPUT_TYPE, _output_type),
    "response_mime_type": (names.OUTPUT_TYPE, _output_type),
    "format": (names.OUTPUT_TYPE, _output_type),
    "text": (names.OUTPUT_TYPE, _text_format),
    "modalities": (names.OUTPUT_TYPE, _modality),
    "response_modalities": (names.OUTPUT_TYPE, _modality),
    "service_tier": (names.OPENAI_REQUEST_SERVICE_TIER, _tier),
}
_NESTED: Final = frozenset(
    {
        "extra_body",
        "generation_config",
        "inferenceConfig",
        "model_kwargs",
        "options",
        "params",
        "parameters",
    }
)
"""Parameters that hold more parameters; what stands beside them goes first."""
_STANDARD: Final = (
    ("ls_temperature", (names.REQUEST_TEMPERATURE, _double)),
    ("ls_max_tokens", (names.REQUEST_MAX_TOKENS, _integer)),
    ("ls_stop", (names.REQUEST_STOP_SEQUENCES, _texts)),
)
_STANDARD_KEYS: Final = frozenset(key for key, _ in _STANDARD)
