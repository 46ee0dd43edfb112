"""The two doors for an application's own tracer provider: a span processor and a span exporter."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from opentelemetry import trace
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
        self._tracker = Tracker(Settings.load_or_repair(**settings))

    @property
    def tracker(self) -> Tracker:
        """The task behind it."""
        return self._tracker

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Show the start where records are followed live."""
        if _is_ours(span):
            self._tracker.span_started(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a sampled span for the next publication."""
        context = span.get_span_context()
        if context is not None and context.trace_flags.sampled and _is_ours(span):
            self._tracker.span_ended(span)

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
        self._tracker = Tracker(Settings.load_or_repair(**settings))
        if not _exporters:
            atexit.register(_flush_processors)
        _exporters.add(self)

    @property
    def tracker(self) -> Tracker:
        """The task behind it."""
        return self._tracker

    def span_started(self, span: Span) -> None:
        """A span that will be exported began; a batch processor tells of ends only."""
        if span.get_span_context().trace_flags.sampled and _is_ours(span):
            self._tracker.span_started(span)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep the spans for the next publication."""
        if self._tracker.closed:
            report("exporter.closed", "ClearMLSpanExporter was shut down already: spans ignored")
            return SpanExportResult.FAILURE
        for span in spans:
            if _is_ours(span):
                self._tracker.span_ended(span)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Publish everything and complete the task."""
        self._tracker.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Publish the tables as they are now; False where ClearML did not take them in time."""
        return self._tracker.publish(timeout_millis / 1_000)


_exporters: Final[WeakSet[ClearMLSpanExporter]] = WeakSet()


def exporters() -> list[ClearMLSpanExporter]:
    """The exporters that this process has made and not shut down."""
    return [exporter for exporter in _exporters if not exporter.tracker.closed]


def _flush_processors() -> None:
    """Have what batch processors still hold, before the package's own exit handler ends the task.

    A provider that a configuration file made is older than this exporter, and so shut down after
    it. Other exporters are not flushed here: one that cannot be reached would hold ours up.
    """
    provider = trace.get_tracer_provider()
    active: object = getattr(provider, "_active_span_processor", None)
    processors: Sequence[object] = getattr(active, "_span_processors", ())
    for processor in processors:
        exporter = getattr(processor, "span_exporter", None)
        if isinstance(processor, SpanProcessor) and isinstance(exporter, ClearMLSpanExporter):
            processor.force_flush()


def _is_ours(span: ReadableSpan) -> bool:
    """Whether the span belongs to nobody else: a callback handler's spans have a task already."""
    return names.TRACKER_ID not in (span.attributes or {})
