"""Spans held until their session is published, and the series names of what was published."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from clearml_otel.spans import SpanRecord, from_readable_span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

AnySpan: TypeAlias = "ReadableSpan | SpanRecord"


class SpanBuffer:
    """Finished spans in memory; nothing is decoded here, for this runs in callbacks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[AnySpan] = []

    def add(self, span: AnySpan) -> int:
        """Keep a span; gives how many there are now."""
        with self._lock:
            self._spans.append(span)
            return len(self._spans)

    def snapshot(self) -> list[AnySpan]:
        """The spans so far; they stay."""
        with self._lock:
            return list(self._spans)

    def take(self) -> list[AnySpan]:
        """The spans so far; they are gone from here."""
        with self._lock:
            spans, self._spans = self._spans, []
        return spans


def decoded(spans: Iterable[AnySpan]) -> list[SpanRecord]:
    """The neutral records of buffered spans."""
    return [item if isinstance(item, SpanRecord) else from_readable_span(item) for item in spans]


class Labels:
    """Series names, each given once: a second session of one name gets a number."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def new(self, name: str) -> str:
        """A name that no table was published under yet.

        Two tables of one title, series and iteration overwrite each other in ClearML.
        """
        label, number = name, 1
        while label in self._given:
            number += 1
            label = f"{name} ({number})"
        self._given.add(label)
        return label
