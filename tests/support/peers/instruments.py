"""How each instrumentation is switched on, as its own documentation says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import TracerProvider

Config = dict[str, Any]
UNUSED: Final = "http://127.0.0.1:9"  # the discard port: nobody listens
FLUSHES: Final[list[Callable[[], object]]] = []
Switch = Callable[[TracerProvider], Config]


def clearml_otel(provider: TracerProvider) -> Config:
    from clearml_otel import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    return {}


def openinference(provider: TracerProvider) -> Config:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    return {}


def openinference_redacted(provider: TracerProvider) -> Config:
    from openinference.instrumentation import TraceConfig
    from openinference.instrumentation.langchain import LangChainInstrumentor

    hidden = TraceConfig(hide_inputs=True, hide_outputs=True)
    LangChainInstrumentor().instrument(tracer_provider=provider, config=hidden)
    return {}


def traceloop(provider: TracerProvider) -> Config:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    LangchainInstrumentor().instrument(tracer_provider=provider)
    return {}


def genai(provider: TracerProvider) -> Config:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    return genai_default(provider)


def genai_default(provider: TracerProvider) -> Config:
    from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    return {}


def langfuse(provider: TracerProvider) -> Config:
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler

    keys = {"public_key": "pk-lf-nobody", "secret_key": "sk-lf-nobody"}
    Langfuse(**keys, base_url=UNUSED, tracer_provider=provider, timeout=1)
    return {"callbacks": [CallbackHandler(public_key=keys["public_key"])]}


def mlflow(provider: TracerProvider) -> Config:
    # MLflow has a provider of its own unless it is told to use the application's
    os.environ["MLFLOW_USE_DEFAULT_TRACER_PROVIDER"] = "false"
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_TRACKING_URI"] = UNUSED
    import mlflow as client

    client.langchain.autolog()
    return {}


def langsmith(provider: TracerProvider) -> Config:
    from langchain_core.tracers.langchain import LangChainTracer
    from langsmith import Client

    client = Client(tracing_mode="otel", api_url=UNUSED, api_key="nobody")
    # it makes its spans in a thread, some time after the run
    FLUSHES.append(client.flush)
    return {"callbacks": [LangChainTracer(client=client)]}


def openai(provider: TracerProvider) -> Config:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return {}


PEERS: Final[Mapping[str, Switch]] = {
    "clearml_otel": clearml_otel,
    "openinference": openinference,
    "openinference_redacted": openinference_redacted,
    "traceloop": traceloop,
    "genai": genai,
    "genai_default": genai_default,
    "langfuse": langfuse,
    "mlflow": mlflow,
    "langsmith": langsmith,
    "openai": openai,
}
