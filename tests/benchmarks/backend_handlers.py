"""LangChain instrumented, and what its spans are sent to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from langchain_core.callbacks import BaseCallbackHandler
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from benchmarks.spec import NotRunnableError, Subject

_Backend: TypeAlias = Literal["clearml", "dead clearml", "otlp", "dead otlp"]

BACKENDS: Final[Mapping[Subject, Sequence[_Backend]]] = {
    "no backend": (),
    "one backend": ("clearml",),
    "three backends": ("clearml", "otlp", "otlp"),
    "a dead OTLP": ("clearml", "otlp", "dead otlp"),
    "a dead ClearML": ("dead clearml", "otlp", "otlp"),
}
_NOBODY: Final = "http://127.0.0.1:9"  # the discard port: nobody listens


class Backends:
    """Our instrumentation on a provider with those exporters.

    Args:
        subject: one of :data:`BACKENDS`.

    Raises:
        NotRunnableError: the OTLP exporter is not installed.
    """

    callbacks: Sequence[BaseCallbackHandler] = ()

    def __init__(self, subject: Subject) -> None:
        from clearml_otel import LangChainInstrumentor

        provider = TracerProvider(shutdown_on_exit=False)
        for backend in BACKENDS[subject]:
            provider.add_span_processor(_processor(backend))
        LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)

    def flush(self) -> None:
        """The time of publications is ours to choose."""

    def problems(self) -> dict[str, int]:
        """Those of a dead ClearML are what is measured."""
        return {}

    def session_folder(self) -> Path | None:
        return None

    def spans(self) -> int:
        return 0


def _processor(backend: _Backend) -> SpanProcessor:
    if "otlp" in backend:
        return _otlp(_NOBODY if "dead" in backend else _sink())
    from clearml_otel import ClearMLSpanProcessor

    if "dead" in backend:
        for service in ("API", "WEB", "FILES"):
            os.environ[f"CLEARML_{service}_HOST"] = _NOBODY
        os.environ["CLEARML_API_ACCESS_KEY"] = os.environ["CLEARML_API_SECRET_KEY"] = "any"
    return ClearMLSpanProcessor(task_name="backends", offline="dead" not in backend)


def _otlp(url: str) -> SpanProcessor:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise NotRunnableError("opentelemetry-exporter-otlp-proto-http is missing") from error
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces"))


def _sink() -> str:
    """A backend in a process of its own; it ends with this one's group."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.otlp_sink"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return f"http://127.0.0.1:{process.stdout.readline().strip()}"
