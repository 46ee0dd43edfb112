"""The two doors for an application's own tracer provider: a span processor and a span exporter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from clearml_otel import attributes as names
from clearml_otel.diagnostics import report
from clearml_otel.settings import Settings
from clearml_otel.tracker import Tracker

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan


class ClearMLSpanProcessor(SpanProcessor):
    """Puts finished traces into ClearML tables; the better of the two doors.

    Tables are published at ``provider.force_flush()``, at ``provider.shutdown()`` and at the end
    of the program. Spans of a :class:`~clearml_otel.ClearMLCallbackHandler` go to that handler's
    task only.

    Args:
        settings: fields of :class:`~clearml_otel.settings.Settings`; one that cannot be used is
            logged and replaced by its default.
    """

    def __init__(self, **settings: object) -> None:
        settings_ = Settings.load_or_repair(**settings)
        self._tracker = Tracker(settings_, timed=True, counted=True)

    @property
    def tracker(self) -> Tracker:
        """The task behind it."""
        return self._tracker

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Count the span among its trace's open ones."""
        if _is_ours(span):
            self._tracker.span_started(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a sampled span for the next publication."""
        context = span.get_span_context()
        if context is None or not _is_ours(span):
            return
        if context.trace_flags.sampled:
            self._tracker.span_ended(span)
        else:
            self._tracker.span_unsampled(span)

    def shutdown(self) -> None:
        """Publish everything and complete the task."""
        self._tracker.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Publish the tables as they are now; False where ClearML did not take them in time."""
        return self._tracker.publish(timeout_millis / 1_000)


class ClearMLSpanExporter(SpanExporter):
    """Puts exported spans into ClearML tables, for ``OTEL_TRACES_EXPORTER=otlp,clearml``.

    Its constructor never fails: an error there would cost the application all its tracing.
    ``export`` keeps the spans and never waits for the network. Tables are published at
    ``force_flush()``, ``shutdown()`` and the end of the program.

    Args:
        settings: fields of :class:`~clearml_otel.settings.Settings`, or their
            ``OTEL_EXPORTER_CLEARML_*`` variables.
    """

    def __init__(self, **settings: object) -> None:
        self._tracker = Tracker(Settings.load_or_repair(**settings), timed=True)

    @property
    def tracker(self) -> Tracker:
        """The task behind it."""
        return self._tracker

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep the spans for the next publication."""
        if self._tracker.closed:
            report("exporter.closed", "ClearMLSpanExporter was shut down already: spans ignored")
            return SpanExportResult.FAILURE
        for span in spans:
            if _is_ours(span):
                self._tracker.span_ended(span)
        self._tracker.write()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Publish everything and complete the task."""
        self._tracker.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Publish the tables as they are now; False where ClearML did not take them in time."""
        return self._tracker.publish(timeout_millis / 1_000)


def _is_ours(span: ReadableSpan) -> bool:
    """Whether the span belongs to nobody else: a callback handler's spans have a task already."""
    return names.TRACKER_ID not in (span.attributes or {})
