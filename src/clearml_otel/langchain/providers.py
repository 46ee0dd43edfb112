"""Who serves a model: the conventions' name of the provider, and the server's address."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from clearml_otel.langchain.mappings import word
from clearml_otel.langchain.values import clean_text

_AZURE_INFERENCE: Final = "azure.ai.inference"
_AZURE_OPENAI: Final = "azure.ai.openai"
_BEDROCK: Final = "aws.bedrock"
_GEMINI: Final = "gcp.gemini"
_MISTRAL: Final = "mistral_ai"
_MOONSHOT: Final = "moonshot_ai"
_VERTEX: Final = "gcp.vertex_ai"
_WATSONX: Final = "ibm.watsonx.ai"
_XAI: Final = "x_ai"

_PROVIDERS: Final[Mapping[str, str]] = {
    **{
        name: name
        for name in ("openai", "anthropic", "cohere", "deepseek", "groq", "perplexity", "ollama")
    },
    "amazon_bedrock": _BEDROCK,
    "anthropic-bedrock": _BEDROCK,
    "anthropic-mantle": _BEDROCK,
    "bedrock": _BEDROCK,
    "bedrockconverse": _BEDROCK,
    "openai-mantle": _BEDROCK,
    "azure": _AZURE_OPENAI,
    "azure-openai": _AZURE_OPENAI,
    "azure_openai": _AZURE_OPENAI,
    "azureopenai": _AZURE_OPENAI,
    "azure_ai": _AZURE_INFERENCE,
    "azure_inference": _AZURE_INFERENCE,
    "azureaichatcompletionsmodel": _AZURE_INFERENCE,
    "google_gemini": _GEMINI,
    "google_genai": _GEMINI,
    "google-generative-ai": _GEMINI,
    "googlegenerativeai": _GEMINI,
    "anthropic-chat-vertexai": _VERTEX,
    "anthropicvertex": _VERTEX,
    "google_vertexai": _VERTEX,
    "vertexai": _VERTEX,
    "vertexai_model_garden": _VERTEX,
    "ibm": _WATSONX,
    "watsonx": _WATSONX,
    "IBM watsonx.ai": _WATSONX,
    "mistral": _MISTRAL,
    "mistralai": _MISTRAL,
    "moonshot": _MOONSHOT,
    "openai-codex": "openai",
    "perplexitychat": "perplexity",
    "xai": _XAI,
}
"""What LangChain's integrations call themselves, where the conventions have another name."""

OPENAI_PROVIDERS: Final = frozenset({"openai", _AZURE_OPENAI})
"""Those whose spans may have the conventions' ``openai.*`` attributes."""

_URL_KEYS: Final = (
    "base_url",
    "openai_api_base",
    "azure_endpoint",
    "anthropic_api_url",
    "api_base",
    "endpoint_url",
    "inference_server_url",
    "server_url",
    "endpoint",
    "url",
)
_URLS: Final = frozenset(_URL_KEYS)
_PORTS: Final[Mapping[str, int]] = {"http": 80, "ws": 80}
_LONGEST_URL: Final = 2_000


def provider(params: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """The provider's name as ``gen_ai.provider.name`` wants it.

    Args:
        params: the callback's invocation parameters, whose ``_type`` names the model's class.
        metadata: LangChain's standard metadata with ``ls_provider``.

    Returns:
        The conventions' name of a known provider, another one as LangChain calls it, and
        ``unknown`` where nothing names it.
    """
    given = metadata.get("ls_provider")
    if type(given) is str and given:
        return _PROVIDERS.get(given) or word(given)
    if given is not None and (named := word(given)):
        return named
    kind = params.get("_type")
    return _provider_of_type(kind) if type(kind) is str and kind else "unknown"


@functools.lru_cache(256)
def _provider_of_type(kind: str) -> str:
    """The provider in a model class's ``_llm_type``, such as ``openai-chat``."""
    name = kind.removeprefix("chat-").removesuffix("-chat").removesuffix("-llm")
    if name.startswith("amazon_bedrock"):
        return _BEDROCK
    return _PROVIDERS.get(name) or clean_text(name.split("-")[0], 200)


def server(given: Mapping[str, Any]) -> tuple[str, int] | None:
    """The model server's host and port, from a parameter such as ``base_url``.

    Args:
        given: parameters of the call or of the model; anything but a URL is passed over.
    """
    if _URLS.isdisjoint(given):
        return None
    for key in _URL_KEYS:
        url = given.get(key)
        if type(url) is str and url and len(url) <= _LONGEST_URL:
            found = _host_and_port(url)
            if found is not None:
                return found
    return None


@functools.lru_cache(256)
def _host_and_port(url: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    # the host only: credentials stand before it
    return clean_text(host, 500), port or _PORTS.get(parts.scheme, 443)
