"""What a model call asks for: parameters of real integrations as the conventions name them."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import validate
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pydantic import BaseModel

from clearml_otel import attributes as names
from clearml_otel.langchain.model_requests import (
    request_attributes,
    request_model,
    tool_definitions,
)
from clearml_otel.langchain.providers import provider, server


def asked(params: dict[str, Any], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """The attributes besides the operation, provider and model."""
    found = request_attributes("chat", params, metadata or {})
    return {
        key: value
        for key, value in found.items()
        if key not in {names.OPERATION_NAME, names.PROVIDER_NAME, names.REQUEST_MODEL}
    }


# -- whole requests ------------------------------------------------------------------------


def test_request_of_openai() -> None:
    params = {
        "model": "gpt-4o",
        "_type": "openai-chat",
        "temperature": 0,
        "top_p": 1,
        "n": 2,
        "stop": ["\n"],
        "stream": True,
        "max_completion_tokens": 7,
        "seed": 3,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "reasoning_effort": "low",
        "service_tier": "flex",
        "previous_response_id": "resp_1",
    }
    metadata = {"ls_provider": "openai", "ls_model_name": "gpt-4o", "ls_temperature": 0.9}
    found = request_attributes("chat", params, metadata)
    assert found == {
        names.OPERATION_NAME: "chat",
        names.PROVIDER_NAME: "openai",
        names.REQUEST_MODEL: "gpt-4o",
        names.REQUEST_TEMPERATURE: 0.0,
        names.REQUEST_TOP_P: 1.0,
        names.REQUEST_MAX_TOKENS: 7,
        names.REQUEST_SEED: 3,
        names.REQUEST_FREQUENCY_PENALTY: 0.1,
        names.REQUEST_PRESENCE_PENALTY: 0.2,
        names.REQUEST_STOP_SEQUENCES: ["\n"],
        names.REQUEST_CHOICE_COUNT: 2,
        names.REQUEST_STREAM: True,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.request.previous_response.id": "resp_1",
        "openai.request.service_tier": "flex",
    }
    # the conventions' types: doubles stay doubles in every backend
    assert type(found[names.REQUEST_TEMPERATURE]) is type(found[names.REQUEST_TOP_P]) is float


def test_request_of_an_openai_model() -> None:
    model = ChatOpenAI(
        model="gpt-4o", base_url="https://me:secret@models.example:8443/v1", api_key="x", seed=1
    )
    found = request_attributes(
        "chat",
        model._get_invocation_params(stop=["END"]),
        dict(model._get_ls_params(stop=["END"])),
        model._serialized,
    )
    assert found == {
        names.OPERATION_NAME: "chat",
        names.PROVIDER_NAME: "openai",
        names.REQUEST_MODEL: "gpt-4o",
        names.REQUEST_SEED: 1,
        names.REQUEST_STOP_SEQUENCES: ["END"],
        "server.address": "models.example",
        "server.port": 8443,
    }


def test_request_of_an_azure_model() -> None:
    model = AzureChatOpenAI(
        azure_endpoint="https://r.openai.azure.com/",
        azure_deployment="mine",
        api_version="2024-10-21",
        api_key="x",
    )
    params, metadata = model._get_invocation_params(), dict(model._get_ls_params())
    found = request_attributes("chat", params, metadata, model._serialized)
    assert found[names.PROVIDER_NAME] == "azure.ai.openai"
    assert found[names.REQUEST_MODEL] == "mine"
    assert (found["server.address"], found["server.port"]) == ("r.openai.azure.com", 443)


def test_request_of_standard_metadata_only() -> None:
    metadata = {
        "ls_provider": "anthropic",
        "ls_model_name": "claude",
        "ls_temperature": 0.5,
        "ls_max_tokens": 100,
        "ls_stop": ["x"],
    }
    assert request_model({}, metadata) == "claude"
    assert asked({}, metadata) == {
        names.REQUEST_TEMPERATURE: 0.5,
        names.REQUEST_MAX_TOKENS: 100,
        names.REQUEST_STOP_SEQUENCES: ["x"],
    }


def test_a_request_that_says_nothing() -> None:
    assert request_model({}, {}) is None
    assert request_attributes("text_completion", {}, {}, None) == {
        names.OPERATION_NAME: "text_completion",
        names.PROVIDER_NAME: "unknown",
    }


# -- single parameters ---------------------------------------------------------------------


class Answer(BaseModel):
    x: int


@pytest.mark.parametrize(
    ("params", "attribute", "value"),
    [
        ({"max_tokens": 5.0}, names.REQUEST_MAX_TOKENS, 5),
        ({"maxTokens": 5}, names.REQUEST_MAX_TOKENS, 5),
        ({"max_output_tokens": 5}, names.REQUEST_MAX_TOKENS, 5),
        ({"num_predict": 5}, names.REQUEST_MAX_TOKENS, 5),
        ({"max_new_tokens": 5}, names.REQUEST_MAX_TOKENS, 5),
        ({"model_kwargs": {"max_new_tokens": 5}}, names.REQUEST_MAX_TOKENS, 5),
        ({"top_k": 40}, names.REQUEST_TOP_K, 40.0),
        ({"options": {"top_k": 40}}, names.REQUEST_TOP_K, 40.0),
        ({"random_seed": 9}, names.REQUEST_SEED, 9),
        ({"stop": "END"}, names.REQUEST_STOP_SEQUENCES, ["END"]),
        ({"stop_sequences": ("a", "b")}, names.REQUEST_STOP_SEQUENCES, ["a", "b"]),
        ({"candidate_count": 3}, names.REQUEST_CHOICE_COUNT, 3),
        ({"streaming": True}, names.REQUEST_STREAM, True),
        ({"reasoning": {"effort": "high"}}, names.REQUEST_REASONING_LEVEL, "high"),
        ({"thinking_level": "low"}, names.REQUEST_REASONING_LEVEL, "low"),
        ({"extra_body": {"reasoning_effort": "high"}}, names.REQUEST_REASONING_LEVEL, "high"),
        ({"response_format": {"type": "json_object"}}, names.OUTPUT_TYPE, "json"),
        ({"response_format": {"type": "json_schema"}}, names.OUTPUT_TYPE, "json"),
        ({"response_format": {"type": "text"}}, names.OUTPUT_TYPE, "text"),
        ({"response_format": Answer}, names.OUTPUT_TYPE, "json"),
        ({"response_mime_type": "application/json"}, names.OUTPUT_TYPE, "json"),
        ({"response_mime_type": "text/plain"}, names.OUTPUT_TYPE, "text"),
        ({"format": "json"}, names.OUTPUT_TYPE, "json"),
        ({"format": Answer.model_json_schema()}, names.OUTPUT_TYPE, "json"),
        ({"text": {"format": {"type": "json_schema"}}}, names.OUTPUT_TYPE, "json"),
        ({"modalities": ["text", "audio"]}, names.OUTPUT_TYPE, "speech"),
        ({"response_modalities": ["TEXT", "IMAGE"]}, names.OUTPUT_TYPE, "image"),
    ],
    ids=repr,
)
def test_spellings_of_providers(params: dict[str, Any], attribute: str, value: object) -> None:
    found = asked(params)
    assert found == {attribute: value}
    assert type(found[attribute]) is type(value)


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": "hot", "top_k": True, "n": "two", "stop": 3, "max_tokens": None},
        {"n": 1, "stream": False, "stop": [], "max_tokens": 1 << 70, "seed": 0.5},
        {"format": "", "text": "a json text", "response_format": {}, "modalities": ["text"]},
        {"text": {"verbosity": "low"}, "reasoning": {"summary": "auto"}, "reasoning_effort": 3},
        {"service_tier": "auto"},
        {"model_kwargs": None, "options": [], "extra_body": "x"},
    ],
    ids=repr,
)
def test_what_fits_no_attribute_is_left_out(params: dict[str, Any]) -> None:
    assert asked(params) == {}


def test_what_stands_beside_goes_before_what_stands_inside() -> None:
    assert asked({"model_kwargs": {"temperature": 0.9}, "temperature": 0.1}) == {
        names.REQUEST_TEMPERATURE: 0.1
    }


def test_a_service_tier_is_openais_only() -> None:
    assert asked({"service_tier": "flex"}, {"ls_provider": "groq"}) == {}


def test_a_parameter_that_raises_costs_itself_only() -> None:
    class Trap(list[str]):
        def __iter__(self) -> Any:
            raise RuntimeError("no items")

    found = asked({"stop": Trap(["x"]), "temperature": 0.5})
    assert found == {names.REQUEST_TEMPERATURE: 0.5}


def test_things_that_are_no_mappings_say_nothing() -> None:
    nothing: Any = 7
    assert request_attributes("chat", nothing, nothing, nothing) == {
        names.OPERATION_NAME: "chat",
        names.PROVIDER_NAME: "unknown",
    }


# -- providers and servers -----------------------------------------------------------------

PROVIDERS = {
    "openai": "openai",
    "azure": "azure.ai.openai",
    "azureaichatcompletionsmodel": "azure.ai.inference",
    "anthropic": "anthropic",
    "amazon_bedrock": "aws.bedrock",
    "anthropic-bedrock": "aws.bedrock",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "cohere": "cohere",
    "groq": "groq",
    "xai": "x_ai",
    "deepseek": "deepseek",
    "perplexity": "perplexity",
    "ibm": "ibm.watsonx.ai",
    "moonshot": "moonshot_ai",
    "ollama": "ollama",
    "fireworks": "fireworks",
    "my_own": "my_own",
}


@pytest.mark.parametrize(("given", "wanted"), PROVIDERS.items())
def test_well_known_provider_names(given: str, wanted: str) -> None:
    assert provider({}, {"ls_provider": given}) == wanted


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("openai-chat", "openai"),
        ("azure-openai-chat", "azure.ai.openai"),
        ("chat-ollama", "ollama"),
        ("ollama-llm", "ollama"),
        ("amazon_bedrock_converse_chat", "aws.bedrock"),
        ("chat-google-generative-ai", "gcp.gemini"),
        ("anthropic-chat-vertexai", "gcp.vertex_ai"),
        ("mistralai-chat", "mistral_ai"),
        ("IBM watsonx.ai", "ibm.watsonx.ai"),
        ("huggingface-chat-wrapper", "huggingface"),
        ("fake-list", "fake"),
    ],
)
def test_providers_of_model_classes(kind: str, wanted: str) -> None:
    assert provider({"_type": kind}, {}) == wanted
    assert provider({"_type": kind}, {"ls_provider": ""}) == wanted


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://api.example.com/v1", ("api.example.com", 443)),
        ("http://localhost:11434", ("localhost", 11434)),
        ("http://10.0.0.1/", ("10.0.0.1", 80)),
        ("https://user:secret@h.example:9/v1?key=x", ("h.example", 9)),
        ("http://[::1]:8080/v1", ("::1", 8080)),
        ("bedrock.eu.example.com", ("bedrock.eu.example.com", 443)),
        ("localhost:8000/v1", ("localhost", 8000)),
        ("", None),
        ("https://", None),
        ("http://h:port/", None),
        ("http://[bad", None),
        ("https://" + "x" * 5_000, None),
        (7, None),
    ],
    ids=repr,
)
def test_servers(url: object, wanted: tuple[str, int] | None) -> None:
    assert server({"base_url": url}) == wanted


def test_a_later_url_stands_in_for_one_that_is_none() -> None:
    assert server({"base_url": None, "endpoint_url": "http://h"}) == ("h", 80)
    assert server({"model": "m"}) is None


# -- tool definitions ----------------------------------------------------------------------

PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOLS_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"type": {"type": "string"}, "name": {"type": "string"}},
        "required": ["type", "name"],
    },
}
"""The required part of the conventions' gen-ai-tool-definitions.json."""


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "add", "parameters": PARAMETERS}},
        {"type": "function", "name": "add", "parameters": PARAMETERS},
        {"name": "add", "description": "d", "input_schema": PARAMETERS},
        {"type": "custom", "name": "add", "input_schema": PARAMETERS},
        {"toolSpec": {"name": "add", "inputSchema": {"json": PARAMETERS}}},
        {"function_declarations": [{"name": "add", "parameters": PARAMETERS}]},
    ],
    ids=["openai", "responses", "anthropic", "anthropic-custom", "bedrock", "google"],
)
def test_functions_of_providers(tool: dict[str, Any]) -> None:
    found = tool_definitions({"tools": [tool]})
    assert found == [{"type": "function", "name": "add"}]
    validate(found, TOOLS_SCHEMA)


def test_tools_that_run_at_the_provider() -> None:
    tools = [
        {"type": "web_search_preview"},
        {"type": "web_search_20250305", "name": "web_search"},
        {"google_search": {}},
        "not a tool",
        {"type": "function"},
    ]
    found = tool_definitions({"tools": tools})
    assert found == [
        {"type": "web_search_preview", "name": "web_search_preview"},
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "google_search", "name": "google_search"},
    ]
    validate(found, TOOLS_SCHEMA)


def test_the_functions_of_old_and_no_tools_at_all() -> None:
    assert tool_definitions({"functions": [{"name": "f"}]}) == [{"type": "function", "name": "f"}]
    for nothing in ({}, {"tools": None}, {"tools": []}, {"tools": "all"}):
        assert tool_definitions(nothing) == []
