"""When a trace is whole, or has waited long enough to be published as it is.

Nobody knows that a trace is finished; a later span may always come. So a trace is *settled* by a
rule, which gives it a revision, and settles again when more of it comes. Only numbers and names are
held here: the spans themselves are in the spool.

Where span starts are seen (our span processor) open spans are counted exactly; where only ends are
(an exporter) timers have to do.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from opentelemetry.trace import format_span_id, format_trace_id

from clearml_otel.pipeline.publication import OpenSpan
from clearml_otel.pipeline.publisher import View
from clearml_otel.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_Note = TypeVar("_Note", str, None)

COMPLETE: Final = "complete"
QUIET: Final = "quiet"
IDLE: Final = "idle"
CHECKPOINT: Final = "checkpoint"
PRESSURE: Final = "pressure"
ABANDONED: Final = "abandoned"
FULL: Final = "full"
"""Why a session is published before it has ended: it has become too large for one."""

_BEGUN: Final = "it began in another series"
_GOES_ON: Final = "full: it goes on in another series"

MOST_OPEN: Final = 50_000
_MOST_SEALED: Final = 100_000
_MOST_ABANDONED: Final = 1_000
_MOST_NOTED: Final = 10_000
_NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds; the settings of the same names say what for."""

    grace: float = 2.0
    quiet: float = 10.0
    idle: float = 60.0
    checkpoint: float = 300.0
    late_window: float = 600.0
    max_span_age: float = 3_600.0

    @classmethod
    def of(cls, settings: Settings) -> Times:
        """Those that are set."""
        return cls(
            settings.trace_grace_s,
            settings.trace_quiet_s,
            settings.trace_idle_s,
            settings.checkpoint_s,
            settings.late_window_s,
            settings.max_span_age_s,
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """A revision of a trace: why it is published now, and how many of its spans are open."""

    trace_id: int
    revision: int
    reason: str
    open_spans: int


@dataclass(slots=True)
class _Trace:
    first: float
    last: float
    revision: int = 0
    late: bool = False
    entry_ended: bool = False
    unsettled: int = 0
    spans: int = 0
    split: bool = False
    settled_at: float = -1.0
    queued: float = _NEVER
    open: dict[int, tuple[ReadableSpan, float]] = field(
        default_factory=dict[int, "tuple[ReadableSpan, float]"]
    )

    @property
    def goes_on(self) -> bool:
        """Whether more of it is to come, as far as can be seen."""
        return bool(self.open) or not self.entry_ended


class _Sealed(NamedTuple):
    """What is remembered of a trace that was settled."""

    revision: int
    at: float
    split: bool
    entry_ended: bool


class Assembler:
    """The open traces of one pipeline.

    Args:
        times: the time-outs.
        counted: whether :meth:`started` is called for every span.
        clock: seconds that never go back.
    """

    def __init__(
        self, times: Times, *, counted: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._times = times
        self._counted = counted
        self._clock = clock
        self._lock = threading.Lock()
        self._traces: dict[int, _Trace] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._sealed: OrderedDict[int, _Sealed] = OrderedDict()
        self._part_began = clock()
        # of traces that are settled, in the current part
        self._abandoned: OrderedDict[int, OpenSpan] = OrderedDict()
        self._incomplete: OrderedDict[int, str] = OrderedDict()
        self._late: OrderedDict[int, None] = OrderedDict()
        self.late_spans = 0
        """Spans that came after their trace was settled."""

    @property
    def open_traces(self) -> int:
        """How many traces are not settled for good."""
        return len(self._traces)

    def started(self, span: ReadableSpan) -> None:
        """A span began, sampled or recorded only."""
        context = span.get_span_context()
        if context is None:
            return
        now = self._clock()
        with self._lock:
            trace = self._traces.get(context.trace_id) or self._begin(context.trace_id, now)
            trace.open[context.span_id] = (span, now)

    def ended(self, span: ReadableSpan) -> None:
        """A span ended; it counts as a span of its trace if it is sampled."""
        context = span.get_span_context()
        if context is None:
            return
        parent = span.parent
        now = self._clock()
        with self._lock:
            trace = self._traces.get(context.trace_id) or self._begin(context.trace_id, now)
            if trace.open.pop(context.span_id, None) is None:
                self._abandoned.pop(context.span_id, None)
            # a parent that is not open is in another process, or began before us
            if (
                parent is None
                or parent.is_remote
                or (self._counted and parent.span_id not in trace.open)
            ):
                trace.entry_ended = True
            if context.trace_flags.sampled:
                trace.unsettled += 1
                trace.spans += 1
                trace.last = now
                self.late_spans += trace.late
            if trace.unsettled == 1 or not trace.open:
                self._look_again(context.trace_id, trace)

    def _look_again(self, trace_id: int, trace: _Trace) -> None:
        if trace.unsettled:
            self._queue(trace_id, trace, self._deadline(trace)[0])
        elif not (trace.open or trace.revision):
            # nothing of it is sampled
            del self._traces[trace_id]

    def _begin(self, trace_id: int, now: float) -> _Trace:
        trace = self._traces[trace_id] = _Trace(now, now)
        sealed = self._sealed.pop(trace_id, None)
        if sealed is not None:
            trace.revision, trace.late = sealed.revision, True
            trace.entry_ended = sealed.entry_ended
            trace.split = sealed.split or sealed.at <= self._part_began
            if sealed.at + self._times.late_window <= now:
                _note(self._late, trace_id, None)
        soonest = self._times.grace if self._counted else self._times.quiet
        self._queue(trace_id, trace, now + soonest)
        return trace

    def _queue(self, trace_id: int, trace: _Trace, deadline: float) -> None:
        """Look at a trace by then; of its entries in the heap only the soonest counts."""
        if deadline < trace.queued:
            trace.queued = deadline
            heapq.heappush(self._deadlines, (deadline, trace_id))

    def due(self) -> list[Settled]:
        """Settle what is due by now."""
        now = self._clock()
        settled: list[Settled] = []
        with self._lock:
            while self._deadlines and self._deadlines[0][0] <= now:
                queued, trace_id = heapq.heappop(self._deadlines)
                trace = self._traces.get(trace_id)
                if trace is None or trace.queued != queued:
                    continue
                trace.queued = _NEVER
                deadline, reason = self._deadline(trace)
                if deadline <= now:
                    settled.append(self._settle(trace_id, trace, reason, now))
                    deadline, _ = self._deadline(trace)
                if trace_id in self._traces:
                    self._queue(trace_id, trace, max(deadline, now + 0.001))
            while len(self._traces) > MOST_OPEN:
                trace_id, trace = next(iter(self._traces.items()))
                settled.append(self._settle(trace_id, trace, PRESSURE, now))
            self._forget_sealed()
        return settled

    def next_due(self) -> float:
        """When to ask again, on the clock; infinity for never."""
        with self._lock:
            return self._deadlines[0][0] if self._deadlines else _NEVER

    def view(self) -> View:
        """What a publication that nobody asked for holds: settled traces only."""
        with self._lock:
            left_out = {id_ for id_, trace in self._traces.items() if not trace.revision}
            return self._view(CHECKPOINT, left_out)

    def whole_view(self, reason: str, left_out: Collection[str] = ()) -> View:
        """What a publication that was asked for holds: everything but what is left out."""
        with self._lock:
            return self._view(reason, {int(each, 16) for each in left_out})

    def _view(self, reason: str, left_out: Collection[int]) -> View:
        abandoned = self._abandoned.values()
        open_spans = [each for each in abandoned if int(each.trace_id, 16) not in left_out]
        incomplete = dict(self._incomplete)
        for trace_id, trace in self._traces.items():
            if trace_id not in left_out:
                open_spans += self._open_spans(trace_id, trace, reason)
                if why := _why_incomplete(trace, reason):
                    incomplete[trace_id] = why
        return View(
            frozenset(map(format_trace_id, left_out)),
            open_spans,
            {format_trace_id(trace_id): why for trace_id, why in incomplete.items()},
            frozenset(map(format_trace_id, self._late)),
        )

    def carried(self, most: int) -> tuple[frozenset[str], int]:
        """The traces that go on in the next part with all there is of them: the smallest open ones.

        Args:
            most: the spans that they may have together.

        Returns:
            Their ids, and their spans together.
        """
        found: list[int] = []
        total = 0
        with self._lock:
            goes_on = [each for each in self._traces.items() if each[1].goes_on]
            for trace_id, trace in sorted(goes_on, key=lambda item: item[1].spans):
                if total + trace.spans > most:
                    break
                total += trace.spans
                found.append(trace_id)
        return frozenset(map(format_trace_id, found)), total

    def part_ended(self, carried: Collection[str] = ()) -> None:
        """What is published from now on is another part, in which these traces are whole."""
        going = {int(each, 16) for each in carried}
        with self._lock:
            self._part_began = self._clock()
            kept = [each for each in self._abandoned.items() if each[1].trace_id in carried]
            self._abandoned = OrderedDict(kept)
            self._incomplete.clear()
            for trace_id, trace in self._traces.items():
                if trace_id not in going and trace.spans:
                    trace.split, trace.spans = True, 0

    def _deadline(self, trace: _Trace) -> tuple[float, str]:
        """When a trace is settled next, and by which rule."""
        times, found = self._times, [(_NEVER, "")]
        if trace.unsettled:
            if trace.open:
                pass
            elif not trace.entry_ended:
                found.append((trace.last + times.idle, IDLE))
            elif self._counted:
                found.append((trace.last + times.grace, COMPLETE))
            else:
                found.append((trace.last + times.quiet, QUIET))
        if trace.unsettled or (trace.open and not trace.revision):
            found.append((max(trace.first, trace.settled_at) + times.checkpoint, CHECKPOINT))
        if trace.open and times.max_span_age:
            _, oldest = next(iter(trace.open.values()))
            found.append((oldest + times.max_span_age, ABANDONED))
        return min(found)

    def _settle(self, trace_id: int, trace: _Trace, reason: str, now: float) -> Settled:
        trace.revision += 1
        trace.unsettled = 0
        trace.settled_at = now
        if reason == ABANDONED:
            self._abandon(trace_id, trace, now)
        if reason in {COMPLETE, QUIET, IDLE, PRESSURE} or not trace.open:
            del self._traces[trace_id]
            self._sealed[trace_id] = _Sealed(trace.revision, now, trace.split, trace.entry_ended)
            if why := _why_incomplete(trace, reason):
                _note(self._incomplete, trace_id, why)
            else:
                self._incomplete.pop(trace_id, None)
        return Settled(trace_id, trace.revision, reason, len(trace.open))

    def _abandon(self, trace_id: int, trace: _Trace, now: float) -> None:
        old = [
            id_ for id_, (_, began) in trace.open.items() if began + self._times.max_span_age <= now
        ]
        # those that are sampled
        listed = {each.span_id: each for each in self._open_spans(trace_id, trace, ABANDONED)}
        for id_ in old:
            del trace.open[id_]
            if (span := listed.get(format_span_id(id_))) is not None:
                self._abandoned[id_] = span
        while len(self._abandoned) > _MOST_ABANDONED:
            self._abandoned.popitem(last=False)

    def _open_spans(self, trace_id: int, trace: _Trace, reason: str) -> list[OpenSpan]:
        return [
            OpenSpan(
                format_trace_id(trace_id),
                format_span_id(span_id),
                span.name,
                span.start_time or 0,
                reason,
                trace.revision,
            )
            for span_id, (span, _) in trace.open.items()
            if (context := span.get_span_context()) is not None and context.trace_flags.sampled
        ]

    def _forget_sealed(self) -> None:
        sealed = self._sealed
        while len(sealed) > _MOST_SEALED:
            sealed.popitem(last=False)


def _why_incomplete(trace: _Trace, reason: str) -> str:
    """Why a trace is published though it is not known to be whole; empty where it is."""
    why = [_BEGUN] if trace.split and trace.spans else []
    if reason == FULL:
        why = [_GOES_ON, *why] if trace.goes_on else why
    elif trace.open:
        why.insert(0, f"{reason}: {len(trace.open)} open")
    elif reason in {IDLE, PRESSURE, ABANDONED} or not trace.entry_ended:
        why.insert(0, reason)
    return "; ".join(why)


def _note(notes: OrderedDict[int, _Note], trace_id: int, note: _Note) -> None:
    notes[trace_id] = note
    if len(notes) > _MOST_NOTED:
        notes.popitem(last=False)
