"""Brings the spans of callback handlers to the trackers that they belong to.

One processor a provider serves all handlers on it: OpenTelemetry has no way to take a processor
off a provider again, so one each would pile up in a service that makes a handler a request.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from clearml_otel import attributes as names
from clearml_otel.diagnostics import report
from clearml_otel.id_generator import SystemIdGenerator

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan

    from clearml_otel.tracker import Tracker

_MANY: Final = 100

_lock = threading.Lock()
_processors: WeakKeyDictionary[TracerProvider, OwnedSpanProcessor] = WeakKeyDictionary()
_private_provider: TracerProvider | None = None


class OwnedSpanProcessor(SpanProcessor):
    """Gives each span to the tracker named on it; other spans are none of its business."""

    def __init__(self) -> None:
        self._trackers: dict[str, Tracker] = {}
        self._followed = False

    def serve(self, tracker: Tracker) -> None:
        """Bring a tracker its spans from now on."""
        self._trackers[tracker.id] = tracker
        self._followed = self._followed or tracker.settings.stream_logs
        if len(self._trackers) > _MANY:
            report(
                "ownership.many",
                f"more than {_MANY} ClearMLCallbackHandlers are open in this process, each with a "
                "ClearML task and a thread; end each with flush_tracker(finish=True), or share one",
            )

    def forget(self, tracker: Tracker) -> None:
        """The tracker is closed."""
        self._trackers.pop(tracker.id, None)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Show the start where the tracker is followed live."""
        if self._followed and (tracker := self._tracker(span)) is not None:
            tracker.span_started(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span with its tracker."""
        context = span.get_span_context()
        if context is not None and context.trace_flags.sampled:
            tracker = self._tracker(span)
            if tracker is not None:
                tracker.span_ended(span)

    def shutdown(self) -> None:
        """Close the trackers, in the time of one: their provider takes no more spans."""
        trackers = list(self._trackers.values())
        longest = max((each.settings.shutdown_timeout_s for each in trackers), default=0.0)
        deadline = time.monotonic() + longest
        for tracker in trackers:
            tracker.close(timeout_s=max(0.0, deadline - time.monotonic()))

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait for what was flushed already; a handler's session has no name before its flush."""
        deadline = time.monotonic() + timeout_millis / 1_000
        waits = [
            tracker.wait(max(0.0, deadline - time.monotonic()))
            for tracker in list(self._trackers.values())
        ]
        return all(waits)

    def _tracker(self, span: ReadableSpan) -> Tracker | None:
        attributes = span.attributes
        owner = attributes.get(names.TRACKER_ID) if attributes is not None else None
        return self._trackers.get(owner) if isinstance(owner, str) else None


def serve(tracker: Tracker) -> TracerProvider:
    """The provider whose spans reach the tracker.

    Args:
        tracker: served until it is forgotten.

    Returns:
        The application's provider where it has set one of the SDK, so that its other backends get
        the spans too; else a private one that samples everything.
    """
    provider = trace.get_tracer_provider()
    with _lock:
        if not isinstance(provider, TracerProvider):
            provider = _private()
        processor = _processors.get(provider)
        if processor is None:
            processor = _processors[provider] = OwnedSpanProcessor()
            provider.add_span_processor(processor)
        processor.serve(tracker)
    return provider


def forget(tracker: Tracker) -> None:
    """Stop serving a tracker."""
    with _lock:
        for processor in _processors.values():
            processor.forget(tracker)


def _private() -> TracerProvider:
    global _private_provider
    if _private_provider is None:
        # the trackers close themselves at the end of the process
        _private_provider = TracerProvider(
            sampler=ALWAYS_ON, shutdown_on_exit=False, id_generator=SystemIdGenerator()
        )
    return _private_provider


def _after_fork() -> None:
    global _lock
    # another thread of the parent may have held it
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
