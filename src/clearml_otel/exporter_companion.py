"""What an exporter behind a batch processor is not told; ``opentelemetry-instrument`` adds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from clearml_otel.diagnostics import report
from clearml_otel.exporter import ClearMLSpanExporter, exporters

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span


def attach_tracker() -> None:
    """Tell ClearML's exporter of what its batch processor does not tell: starts and flushes.

    Runs after everything else is set up; adds a processor only where ``clearml`` is among the
    exporters.
    """
    provider = trace.get_tracer_provider()
    for exporter in exporters():
        if isinstance(provider, TracerProvider):
            provider.add_span_processor(_ExporterCompanion(exporter))
        else:
            report(
                "zero_code.provider",
                f"the global tracer provider is a {type(provider).__name__}, not the SDK's: "
                "ClearML's tables are published at the end of the program only",
            )


class _ExporterCompanion(SpanProcessor):
    """The starts of spans and the provider's flushes, for an exporter behind a batch processor.

    It stands after that batch processor: at a flush, the exporter has the batch already.
    """

    def __init__(self, exporter: ClearMLSpanExporter) -> None:
        self._exporter = exporter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """The exporter sees ended spans only."""
        self._exporter.span_started(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Batch processors do not flush their exporter."""
        return self._exporter.force_flush(timeout_millis)
