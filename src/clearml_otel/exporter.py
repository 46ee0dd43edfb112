"""The two doors for an application's own tracer provider: a span processor and a span exporter."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from clearml_otel import attributes as names
from clearml_otel.diagnostics import report
from clearml_otel.ended_spans import EndedSpans, exports_to
from clearml_otel.settings import Settings
from clearml_otel.tracker import Tracker

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan


class ClearMLSpanProcessor(SpanProcessor):
    """Puts finished traces into ClearML tables; the better of the two doors.

    Tables are published when traces are whole, at ``provider.force_flush()``, at
    ``provider.shutdown()`` and at the end of the program. Spans of a
    :class:`~clearml_otel.ClearMLCallbackHandler` go to that handler's task only.

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
            self._tracker.name_task(span)
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
    ``export`` keeps the spans in the spool and never waits for the network. Tables are published
    when traces are whole, at ``force_flush()``, ``shutdown()`` and the end of the program.

    What a batch span processor drops because its queue is full is counted and named on the task,
    from the first export on for the global tracer provider; from the start, and for other
    providers, with :meth:`count_on`.

    Args:
        settings: fields of :class:`~clearml_otel.settings.Settings`, or their
            ``OTEL_EXPORTER_CLEARML_*`` variables.
    """

    def __init__(self, **settings: object) -> None:
        self._tracker = Tracker(Settings.load_or_repair(**settings), timed=True)
        self._ended: EndedSpans | None = None
        self._looked = False
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
            self._tracker.name_task(span)
            self._tracker.span_started(span)

    def count_on(self, provider: TracerProvider) -> None:
        """Count what ends on a provider, so that what never arrives here is known.

        Args:
            provider: the one whose processor has this exporter.
        """
        if self._ended is None:
            self._ended = EndedSpans()
            provider.add_span_processor(self._ended)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep the spans for the next publication."""
        if self._tracker.closed:
            report("exporter.closed", "ClearMLSpanExporter was shut down already: spans ignored")
            return SpanExportResult.FAILURE
        if not self._looked:
            self._looked = True
            self._count_on_global_provider()
        if self._ended is not None:
            self._ended.exported(spans)
        for span in spans:
            if _is_ours(span):
                self._tracker.span_ended(span)
        self._tracker.write()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Publish everything and complete the task; harmless when repeated."""
        if self._tracker.closed:
            return
        if self._ended is not None and (lost := self._ended.take_lost()):
            self._tracker.spans_lost(lost, "dropped by the span processor, its queue was full")
        self._tracker.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Publish the tables as they are now; False where ClearML did not take them in time."""
        return self._tracker.publish(timeout_millis / 1_000)

    def _count_on_global_provider(self) -> None:
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider) and exports_to(provider, self):
            self.count_on(provider)


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
    attributes = span.attributes
    return attributes is None or names.TRACKER_ID not in attributes
