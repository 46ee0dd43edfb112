"""LangChain callbacks to OpenTelemetry spans; imports ``langchain_core``."""

from __future__ import annotations

from clearml_otel.langchain.handler import LangChainSpanHandler
from clearml_otel.langchain.instrumentor import LangChainInstrumentor

__all__ = ["LangChainInstrumentor", "LangChainSpanHandler"]
