"""Counts the spans that end, so that an exporter can tell which of them it was never given.

The SDK's batch processor drops spans when its queue is full, the oldest first, and tells nobody how
many. A second processor on the same provider sees them all.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from clearml_otel import attributes as names

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

_MOST_PENDING: Final = 100_000
_MOST_EARLY: Final = 10_000


class EndedSpans(SpanProcessor):
    """The ids of sampled spans that have ended and were not exported (yet)."""

    def __init__(self) -> None:
        self._begin()
        _counting.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[tuple[int, int], None] = {}
        self._early: dict[tuple[int, int], None] = {}
        self._lost = 0

    def after_fork(self) -> None:
        """In a forked child: what is in a queue is the parent's, who may have held the lock."""
        self._begin()

    def on_end(self, span: ReadableSpan) -> None:
        """Expect the span at the exporter."""
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        if names.TRACKER_ID in (span.attributes or {}):
            return
        key = context.trace_id, context.span_id
        with self._lock:
            if key in self._early:
                # the exporter was faster
                del self._early[key]
                return
            self._pending[key] = None
            if len(self._pending) > _MOST_PENDING:
                # no queue is that long: it was dropped
                del self._pending[next(iter(self._pending))]
                self._lost += 1

    def exported(self, spans: Iterable[ReadableSpan]) -> None:
        """The exporter was given these."""
        with self._lock:
            for span in spans:
                context = span.get_span_context()
                if context is not None:
                    self._take((context.trace_id, context.span_id))

    def _take(self, key: tuple[int, int]) -> None:
        if key in self._pending:
            del self._pending[key]
            return
        self._early[key] = None
        if len(self._early) > _MOST_EARLY:
            # of those that ended before we counted
            del self._early[next(iter(self._early))]

    def take_lost(self) -> int:
        """How many were never exported; to be asked when nothing more is in a queue."""
        with self._lock:
            lost, self._lost = self._lost + len(self._pending), 0
            self._pending.clear()
        return lost

    def shutdown(self) -> None:
        """Nothing to do: the exporter asks at its own shutdown."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back."""
        return True


def exports_to(provider: object, exporter: SpanExporter) -> bool:
    """Whether a provider's processors give their spans to an exporter, as far as can be seen."""
    if not isinstance(provider, TracerProvider):
        return False
    chain: object = getattr(provider, "_active_span_processor", None)
    processors: Iterable[object] = getattr(chain, "_span_processors", ())
    return any(
        getattr(holder, attribute, None) is exporter
        for processor in processors
        for holder in (processor, getattr(processor, "_batch_processor", None))
        for attribute in ("span_exporter", "_exporter")
    )


_counting: Final[WeakSet[EndedSpans]] = WeakSet()


def _after_fork() -> None:
    for each in _counting:
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
