"""A pipeline's way into the spool: finished spans in, parts of sessions out."""

from __future__ import annotations

import os
import threading
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from clearml_otel.diagnostics import report
from clearml_otel.pipeline.span_codec import AnySpan, decode, decoded, encode
from clearml_otel.pipeline.spool import UNREADABLE, UNWRITABLE, Split, Spool
from clearml_otel.pipeline.spool_file import Label, NamedPart
from clearml_otel.spans import SpanDecodeError, SpanRecord

BATCH: Final = 512
MOST_PENDING: Final = 8 * BATCH
"""Spans that wait to be written down; whoever adds more helps."""


class Stream:
    """One pipeline's spans in this process, in numbered parts.

    A part is what is published together: its spans stay in the spool until it has ended and
    ClearML has it. :meth:`add` only puts the span into a list, for it runs in callbacks; the
    worker thread writes the list down a moment later.

    Args:
        spool: where they are kept.
        describe: what is needed to publish them in another process.
        on_pending: called when there is something to write down after there was nothing.
        on_processed: called with the number of spans that are written down; with why they are not,
            where they cannot be.
    """

    def __init__(
        self,
        spool: Spool,
        describe: Callable[[], Mapping[str, Any]],
        on_pending: Callable[[], None] = lambda: None,
        on_processed: Callable[[int, str], None] = lambda spans, error: None,
    ) -> None:
        self._spool = spool
        self._describe = describe
        self._on_pending = on_pending
        self._on_processed = on_processed
        self._begin()

    def _begin(self) -> None:
        self.id = f"{os.getpid()}-{uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._written = threading.Condition(self._lock)
        self._in_hand = 0
        self._pending: list[AnySpan] = []
        self._ended: deque[tuple[int, list[AnySpan]]] = deque()
        self._part = 0
        self._spans = 0
        self._bytes = 0
        self._known: Mapping[str, Any] | None = None

    @property
    def spans(self) -> int:
        """How many spans the current part has."""
        return self._spans

    @property
    def pending(self) -> int:
        """How many spans are not written down yet."""
        with self._lock:
            return len(self._pending) + sum(len(spans) for _, spans in self._ended)

    @property
    def bytes(self) -> int:
        """How many bytes they have in the spool."""
        return self._bytes

    @property
    def part(self) -> int:
        """The number of the current part."""
        return self._part

    def add(self, span: AnySpan, most: int) -> int | None:
        """Take a finished span.

        Args:
            span: an ended one.
            most: spans of a part.

        Returns:
            The number of the part that this span has filled up: it has ended.
        """
        with self._lock:
            self._pending.append(span)
            pending = len(self._pending)
            self._spans += 1
            full = self._end_part() if self._spans >= most else None
        if pending == 1:
            self._on_pending()
        elif pending >= MOST_PENDING and full is None:
            # faster than the worker: the one who makes them helps, so that memory stays bounded
            self._write_batch()
        return full

    def lose(self, spans: int, reason: str) -> None:
        """Note spans that the current part should have."""
        self._spool.lose(self.id, self._part, reason, spans)

    def end_part(self, carried: int = 0) -> int | None:
        """Begin a new part; the number of the one that ended, None where there was nothing.

        Args:
            carried: how many spans go on in the new part: see :meth:`carry`.
        """
        with self._lock:
            part = self._end_part() if self._spans else None
            self._spans = carried if part is not None else self._spans
            return part

    def carry(self, part: int, traces: Collection[str]) -> None:
        """Move the spans of some traces from a part that has ended to the next one."""
        self.write()

        def split(body: bytes) -> Split | None:
            try:
                records = decode(body)
            except SpanDecodeError:
                return None  # its publication names it
            going = [record for record in records if record.trace_id in traces]
            staying = [record for record in records if record.trace_id not in traces]
            if not going:
                return None
            return (encode(staying)[0], len(staying)), (encode(going)[0], len(going))

        self._spool.split(self.id, part, split)

    def end_named_part(self, named: NamedPart) -> int:
        """Likewise, also where there are no spans, and keep what the flush said of it."""
        with self._lock:
            part = self._end_part()
        self._describe_once()
        self._spool.name_part(self.id, part, named)
        return part

    def _end_part(self) -> int:
        part = self._part
        if self._pending:
            self._ended.append((part, self._pending))
            self._pending = []
        self._part += 1
        self._spans = self._bytes = 0
        return part

    def write(self) -> None:
        """Write down what is pending; afterwards a killed process has not lost it."""
        while self._write_batch():
            pass
        with self._written:
            # what other threads have in hand
            self._written.wait_for(lambda: not self._in_hand)

    def _write_batch(self) -> bool:
        """Write down some; several threads may do so at once, for their order says nothing."""
        with self._lock:
            if not self._ended and not self._pending:
                return False
            part, spans = self._ended.popleft() if self._ended else (self._part, self._pending)
            batch, rest = spans[:BATCH], spans[BATCH:]
            if spans is self._pending:
                self._pending = rest
            elif rest:
                self._ended.appendleft((part, rest))
            self._in_hand += 1
        try:
            self._describe_once()
            self._append(part, batch)
        finally:
            with self._written:
                self._in_hand -= 1
                self._written.notify_all()
        return True

    def _append(self, part: int, spans: list[AnySpan]) -> None:
        body, faults = encode(spans)
        if len(faults) < len(spans):
            self._spool.append(self.id, part, body, len(spans) - len(faults))
        if part == self._part:
            self._bytes += len(body)
        if faults:
            report("spool.unwritable", f"LOST: {faults[0]}")
            self._spool.lose(self.id, part, UNWRITABLE, len(faults))
            self._on_processed(len(faults), UNWRITABLE)
        self._on_processed(len(spans) - len(faults), "")

    def describe(self) -> None:
        """Keep what is known now of the settings and the task, if anything is in the spool."""
        if self._known is not None:
            self._known = None
            self._describe_once()

    def _describe_once(self) -> None:
        if self._known is None:
            self._known = self._describe()
            self._spool.set_stream(self.id, self._known)

    def records(self, part: int) -> Iterator[SpanRecord]:
        """The spans of a part, with those that are still to be written down."""
        self.write()

        def on_damage(spans: int, error: SpanDecodeError) -> None:
            report("spool.unreadable", f"LOST: {spans} spans in the spool are damaged: {error}")
            self._spool.lose(self.id, part, UNREADABLE, spans)

        return decoded(self._spool.bodies(self.id, part), on_damage)

    def losses(self, part: int) -> dict[str, int]:
        """Lost spans of a part by reason."""
        return self._spool.losses(self.id, part)

    def set_label(self, label: Label) -> None:
        """Keep the name that a session is published under."""
        self._spool.set_label(self.id, label)

    def drop(self, part: int) -> None:
        """ClearML has the part."""
        self._spool.drop_part(self.id, part)

    def close(self) -> None:
        """All of it is in ClearML."""
        self._spool.drop_stream(self.id)

    def leave(self) -> None:
        """ClearML has not taken all of it, and the pipeline is closed."""
        self._spool.left.add(self.id)

    def after_fork(self) -> None:
        """In a forked child: what there was is the parent's."""
        self._begin()
