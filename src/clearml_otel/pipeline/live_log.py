"""Prints action records as they happen, where the user asked for it with ``stream_logs``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from clearml_otel import lifecycle
from clearml_otel.diagnostics import report
from clearml_otel.records.live import LiveRecords
from clearml_otel.spans import from_readable_span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


class LiveLog:
    """Follows spans and prints the record of each callback to stdout, as the page does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records = LiveRecords()
        lifecycle.register(self)
        self._open: dict[tuple[int, int], ReadableSpan] = {}

    def on_start(self, span: ReadableSpan) -> None:
        """Print what a span's start says, after what happened before on the open ones."""
        with self._lock:
            self._print_points()
            self._open[_key(span)] = span
            for record in self._records.started(from_readable_span(span)):
                _show(record)

    def on_point(self) -> None:
        """Print the callbacks without duration that open spans have noted since."""
        with self._lock:
            self._print_points()

    def on_end(self, span: ReadableSpan) -> None:
        """Print what a span's end says."""
        record_of_end = from_readable_span(span)
        with self._lock:
            self._print_points()
            self._open.pop(_key(span), None)
            for record in self._records.ended(record_of_end):
                _show(record)

    def close(self) -> None:
        """Print what was held back; nothing more comes."""
        self.flush()
        lifecycle.unregister(self)

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._open.clear()

    def flush(self) -> None:
        """Print what was held back, and count from zero again."""
        with self._lock:
            for record in self._records.rest():
                _show(record)
            self._records = LiveRecords()

    def _print_points(self) -> None:
        for span in list(self._open.values()):
            if span.events:
                for record in self._records.points(from_readable_span(span)):
                    _show(record)


def _show(record: Mapping[str, object]) -> None:
    try:
        print(record)  # noqa: T201 - asked for with stream_logs
    except (OSError, ValueError) as error:
        # a closed pipe or stream must not cost the span
        report("live_log", f"records cannot be printed: {error}; they are in the tables")


def _key(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    return (context.trace_id, context.span_id) if context else (0, 0)
