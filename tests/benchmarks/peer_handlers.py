"""The instrumentations of others, and ours beside them, each as its users turn it on.

Content is on, and finished spans are dropped, so that only the making of spans is measured.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from langchain_core.callbacks import BaseCallbackHandler
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from benchmarks.bare_spans import BareSpanHandler, Counter
from benchmarks.spec import NotRunnableError, Spec, Subject


class Peer:
    """One instrumentation, turned on.

    Args:
        spec: whose.

    Raises:
        NotRunnableError: it is not installed, or does not start.
    """

    def __init__(self, spec: Spec) -> None:
        self._spans = Counter()
        try:
            self.callbacks = _MAKERS[spec.subject](self._spans, spec.complexity)
        except ImportError as error:
            # what its own requirements miss is another matter
            missing = bool(error.name) and _MODULES.get(spec.subject, "").startswith(error.name)
            reason = "not installed" if missing else f"ImportError: {error}"
            raise NotRunnableError(reason) from error
        except Exception as error:
            raise NotRunnableError(f"{type(error).__name__}: {error}"[:200]) from error

    def flush(self) -> None:
        """Nothing is kept."""

    def problems(self) -> dict[str, int]:
        """What ours has reported."""
        from clearml_otel.diagnostics import occurrences

        return occurrences()

    def session_folder(self) -> Path | None:
        return None

    def spans(self) -> int:
        """Spans ended since the last call."""
        count, self._spans.count = self._spans.count, 0
        return count


class NoopHandler(BaseCallbackHandler):
    """Is called, and does nothing."""

    run_inline = True

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        """LangChain makes a text of the messages for handlers without it."""


class _Provider(TracerProvider):
    """Takes no processor besides its first; some peers bring their own, which exports."""

    def __init__(self, processor: SpanProcessor) -> None:
        super().__init__(sampler=ALWAYS_ON, shutdown_on_exit=False)
        super().add_span_processor(processor)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        pass


def _none(spans: Counter, complexity: bool) -> list[BaseCallbackHandler]:
    return []


def _noop(spans: Counter, complexity: bool) -> list[BaseCallbackHandler]:
    return [NoopHandler()]


def _bare(spans: Counter, complexity: bool) -> list[BaseCallbackHandler]:
    return [BareSpanHandler(spans)]


def _ours(spans: Counter, complexity: bool) -> list[BaseCallbackHandler]:
    from clearml_otel import LangChainInstrumentor

    LangChainInstrumentor().instrument(
        tracer_provider=_Provider(spans), complexity_metrics=complexity
    )
    return []


def _openinference(spans: Counter, complexity: bool) -> list[BaseCallbackHandler]:
    module = import_module(_MODULES["openinference"])
    module.LangChainInstrumentor().instrument(tracer_provider=_Provider(spans))
    return []


def _traceloop(spans: Counter, complexity: bool) -> list[BaseCallbackHandler]:
    module = import_module(_MODULES["traceloop"])
    module.LangchainInstrumentor().instrument(tracer_provider=_Provider(spans))
    return []


def _genai(spans: Counter, complexity: bool) -> list[BaseCallbackHandler]:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    module = import_module(_MODULES["genai"])
    module.LangChainInstrumentor().instrument(tracer_provider=_Provider(spans))
    return []


def _langfuse(spans: Counter, complexity: bool) -> list[BaseCallbackHandler]:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    langfuse, handlers = import_module("langfuse"), import_module(_MODULES["langfuse"])
    langfuse.Langfuse(
        public_key="pk-lf-benchmark",
        secret_key="sk-lf-benchmark",
        base_url="http://127.0.0.1:9",
        tracer_provider=_Provider(spans),
        # the provider lets no span get there; without it one with a connection is made
        span_exporter=InMemorySpanExporter(),
    )
    return [handlers.CallbackHandler()]


_MODULES: Final[Mapping[Subject, str]] = {
    "openinference": "openinference.instrumentation.langchain",
    "traceloop": "opentelemetry.instrumentation.langchain",
    "genai": "opentelemetry.instrumentation.genai.langchain",
    "langfuse": "langfuse.langchain",
}
_MAKERS: Final[Mapping[Subject, Callable[[Counter, bool], list[BaseCallbackHandler]]]] = {
    "none": _none,
    "noop": _noop,
    "dropped": _bare,
    "instrumentor": _ours,
    "openinference": _openinference,
    "traceloop": _traceloop,
    "genai": _genai,
    "langfuse": _langfuse,
}
warnings.simplefilter("ignore", DeprecationWarning)
