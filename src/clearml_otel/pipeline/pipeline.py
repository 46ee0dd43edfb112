"""From finished spans to published sessions: what a tracker, an exporter and a replay share."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from clearml_otel import lifecycle
from clearml_otel.clearml.transport import ModelUpload, Status, Transport
from clearml_otel.diagnostics import report
from clearml_otel.pipeline.assembly import FULL, Assembler, Times
from clearml_otel.pipeline.delivery import Delivery, Job
from clearml_otel.pipeline.destination import description, task_descriptions
from clearml_otel.pipeline.exit_status import status_at_exit
from clearml_otel.pipeline.named_parts import named_part
from clearml_otel.pipeline.process_spools import spools
from clearml_otel.pipeline.publisher import SessionPublisher, View
from clearml_otel.pipeline.span_codec import AnySpan
from clearml_otel.pipeline.stream import MOST_PENDING, Stream
from clearml_otel.pipeline.tasks import MAIN, Tasks
from clearml_otel.pipeline.telemetry import Queue, telemetry
from clearml_otel.pipeline.worker import worker
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_WRITE_AFTER_S: Final = 0.2
_MOST_BYTES: Final = 32_000_000
_LONGEST_PART_S: Final = 12 * 3_600.0
_MOST_SHARE: Final = 0.1
_MOST_OVER: Final = 2  # times what a part may have, where the worker does not come to end it
_REPLACES: Final = "open sessions"


class Pipeline:
    """Holds the spans of one task, or of several, and publishes their sessions.

    Nothing here decodes a span, builds a table or talks to ClearML in the caller's thread: that
    is the delivery's work. The spans are in the spool until ClearML has them.

    Args:
        settings: how.
        transport: where to; it is opened when the first session is published.
        others: makes the transports of the tasks of single sessions or services; None where all
            goes to one.
        timed: whether finished traces are published without being asked for. The sessions of a
            callback handler have no name before its flush.
        counted: whether :meth:`started` is called for every span.
    """

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        *,
        others: Callable[[str], Transport] | None = None,
        timed: bool = False,
        counted: bool = False,
    ) -> None:
        self.settings = settings
        self._timed = timed and settings.publish_interval_s > 0
        self._counted = counted
        self._spool = spools.open(settings)
        self._processor = telemetry.processor() if counted else None
        self._tasks = Tasks(
            lambda name: others(name) if others is not None and name != MAIN else transport,
            several=others is not None,
            describe=task_descriptions(settings),
            # another process must go on with this task, should this one be killed
            on_open=lambda: self._stream.describe(),
        )
        self._delivery = Delivery(self._tasks)
        self._closed = False
        self._ending: tuple[Status, str] | None = None
        self._suffix = ""
        self._closing = threading.Lock()
        self._stream = Stream(self._spool, self._description, self._on_pending, self._on_processed)
        self._reset()
        lifecycle.register(self)
        worker.add(self)
        telemetry.watch(self)

    def _reset(self) -> None:
        self._publisher = SessionPublisher(self.settings, self._stream, self._tasks, self._suffix)
        times = Times.of(self.settings)
        self._assembler = Assembler(times, counted=self._counted) if self._timed else None
        self._part_began = time.monotonic()
        self._news = False
        self._late_told = 0
        self._publish_after = 0.0
        self._publishing = False
        self._task_wanted = False

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closed

    @property
    def transport(self) -> Transport:
        """Where the sessions go; of several tasks, where those without a name go."""
        return self._tasks.main

    @property
    def tasks(self) -> Tasks:
        """All of where they go."""
        return self._tasks

    @property
    def open_traces(self) -> int:
        """Traces that are not settled for good."""
        return self._assembler.open_traces if self._assembler is not None else 0

    @property
    def waiting_spans(self) -> int:
        """Spans of the sessions that go on."""
        return self._stream.spans

    @property
    def waiting_jobs(self) -> int:
        """Publications that are queued."""
        return len(self._delivery.waiting)

    @property
    def queue(self) -> Queue | None:
        """That of its span processor, where it has one."""
        if self._processor is None:
            return None
        return Queue(self._processor, self._stream.pending, MOST_PENDING)

    @property
    def spool_bytes(self) -> tuple[int, int]:
        """The identity of the spool and the bytes in it."""
        return id(self._spool), self._spool.bytes_used()

    # -- spans --------------------------------------------------------------------------------

    def started(self, span: ReadableSpan) -> None:
        """A span began, whose trace is not whole before it ends."""
        if self._assembler is not None and not self._closed:
            self._assembler.started(span)
            worker.wake(self.settings.checkpoint_s)

    def add(self, span: AnySpan) -> None:
        """Take a finished span; never blocks on the network, nor on the disk."""
        if self._closed:
            report(
                "pipeline.closed",
                "a span ended after its ClearML task was closed and is not in the tables; "
                "close the task (finish=True, provider.shutdown()) after the last run",
            )
            self._on_processed(1, "already_shutdown")
            return
        most = self.settings.max_buffered_spans
        if self._assembler is not None:
            most *= _MOST_OVER
            if not isinstance(span, SpanRecord):
                self._assembler.ended(span)
        full = self._stream.add(span, most)
        if self._assembler is not None and self._stream.spans == self.settings.max_buffered_spans:
            worker.wake(0.0)
        if full is not None:
            self._end_part(full, "the tables of the last sessions", FULL)

    def unsampled(self, span: ReadableSpan) -> None:
        """A span ended that is not kept, but was counted."""
        if self._assembler is not None and not self._closed:
            self._assembler.ended(span)
            worker.wake(self.settings.trace_grace_s)

    def lose(self, spans: int, reason: str) -> None:
        """Spans that were lost on their way here: counted, named in the log and on the task."""
        report(f"pipeline.lost.{reason}", f"LOST: {spans} spans, {reason}", level=logging.ERROR)
        self._stream.lose(spans, reason)

    def write(self) -> None:
        """Write down what was added: afterwards a killed process has not lost it."""
        self._stream.write()

    def buffered(self) -> list[SpanRecord]:
        """The spans of the sessions that are open now."""
        return list(self._stream.records(self._stream.part)) if self._stream.spans else []

    # -- publications -------------------------------------------------------------------------

    def open_task(self) -> None:
        """Have the task made before there is something to publish; harmless when repeated."""
        if self._timed and not (self._tasks.several or self._task_wanted or self._closed):
            self._task_wanted = True
            # the delivery opens it before any job's steps
            self._delivery.submit(Job("the task", deque()))

    def publish(self) -> None:
        """Queue the sessions' tables as they are now; a later publication replaces them."""
        if self._stream.spans:
            self._submit_open(self._whole_view("flush"))

    def end_sessions(
        self, name: str | None = None, model: ModelUpload | None = None, reason: str = "flush"
    ) -> None:
        """Queue what there is and let new sessions begin, counting from zero.

        Args:
            name: the series of all that there is, as one session; by default each session keeps
                the name that its spans give it.
            model: goes with the first session.
            reason: why traces are published that are not whole.
        """
        if name is None and model is None:
            part = self._stream.end_part()
        else:
            part = self._stream.end_named_part(named_part(name, model))
        if part is not None:
            what = f"the tables of session {name!r}" if name else "the tables of the last sessions"
            self._end_part(part, what, reason, name, model)

    def wait(self, timeout_s: float) -> bool:
        """Wait until everything queued is in ClearML; False when something still waits."""
        return self._delivery.wait(timeout_s)

    def _end_part(
        self,
        part: int,
        what: str,
        reason: str,
        name: str | None = None,
        model: ModelUpload | None = None,
        carried: Collection[str] = (),
    ) -> None:
        self._part_began = time.monotonic()
        view = self._whole_view(reason, carried)
        if self._assembler is not None:
            self._assembler.part_ended(carried)
        job = self._publisher.job(what, part, ends=True, name=name, model=model, view=view)
        if carried:
            job.steps.appendleft(lambda _: self._stream.carry(part, carried))
        self._delivery.submit(job)

    def _roll_over(self) -> None:
        """Begin a new part, in which traces that are not settled go on with all there is of them.

        Those that are too large for that are in both parts, and both say so.
        """
        if self._assembler is None:
            self.end_sessions(reason=FULL)
            return
        carried, spans = self._assembler.carried(self._stream.spans // 2)
        part = self._stream.end_part(spans)
        if part is not None:
            self._end_part(part, "the tables of the last sessions", FULL, carried=carried)

    def _whole_view(self, reason: str, carried: Collection[str] = ()) -> Callable[[], View]:
        view = View()
        if self._assembler is not None:
            view = self._assembler.whole_view(reason, carried)
        return lambda: view

    def _submit_open(self, view: Callable[[], View]) -> None:
        part = self._stream.part
        what = "the tables of the open sessions"
        began = time.monotonic()

        def begin() -> View:
            nonlocal began
            began = time.monotonic()
            return view()

        def done(_: Transport) -> None:
            now = time.monotonic()
            pause = max(self.settings.publish_interval_s, (now - began) / _MOST_SHARE)
            self._publish_after = now + pause
            self._publishing = False

        job = self._publisher.job(what, part, replaces=_REPLACES, view=begin, named=self._timed)
        job.steps.append(done)
        self._publishing = True
        self._delivery.submit(job)

    # -- the worker's thread ------------------------------------------------------------------

    def tick(self) -> float:
        """Write spans down, settle traces, publish what has settled."""
        if self._closed:
            return float("inf")
        self._stream.write()
        stale = time.monotonic() - self._part_began > _LONGEST_PART_S
        full = self._stream.spans >= self.settings.max_buffered_spans
        if full or self._stream.bytes > _MOST_BYTES or (self._stream.spans and stale):
            self._roll_over()
        if self._assembler is None:
            return float("inf")
        self._settle(self._assembler)
        now = time.monotonic()
        if self._news and now >= self._publish_after and not self._publishing:
            self._news = False
            if self._stream.spans or self._assembler.view().open_spans:
                self._submit_open(self._assembler.view)
        wanted = max(self._publish_after - now, 0.5) if self._news else float("inf")
        return max(0.05, min(wanted, self._assembler.next_due() - now))

    def _settle(self, assembler: Assembler) -> None:
        late = assembler.late_spans
        for each in assembler.due():
            telemetry.settled(each.reason)
            self._news = True
        telemetry.late(late - self._late_told)
        self._late_told = late

    def _on_processed(self, spans: int, error: str = "") -> None:
        if self._processor is not None:
            telemetry.processed(self._processor, spans, error)

    def _on_pending(self) -> None:
        worker.wake(_WRITE_AFTER_S)

    # -- the end ------------------------------------------------------------------------------

    def close(
        self, status: Status | None = None, message: str = "", timeout_s: float | None = None
    ) -> None:
        """Publish what there is, deliver it within the time-out and give the task its status.

        What ClearML does not take by then stays in the spool, for the next process.

        Args:
            status: the task's; by default completed, or failed where an exception ends the program.
            message: the reason that ClearML shows.
            timeout_s: by default that of the settings.
        """
        longest = self.settings.shutdown_timeout_s if timeout_s is None else timeout_s
        deadline = lifecycle.ending_since() + longest
        with self._closing:
            if self._closed:
                return
            self.end_sessions(reason="shutdown")
            self._closed = True
        lifecycle.unregister(self)
        worker.remove(self)
        # spans of threads that were on their way in
        self.end_sessions(reason="shutdown")
        if status is None:
            status, message = status_at_exit(self.settings)
        if self._publisher.visuals is not None:
            # half of the time is the network's
            self._publisher.visuals.stop_after(longest / 2)
        self._ending = status, message
        self._stream.write()
        self._stream.describe()
        left = self._delivery.close(status, message, max(0.0, deadline - time.monotonic()))
        if left or self._delivery.refused:
            self._stream.leave()
            self._leave([job.name for job in left])
        elif not self._delivery.ended:
            # the next process gives it its status
            self._stream.leave()
        else:
            self._stream.close()
        spools.release(self._spool)

    def after_fork(self) -> None:
        """In a forked child: the parent publishes what it had; the child begins its own tables."""
        self._suffix = f" (process {os.getpid()})"
        self._closing = threading.Lock()
        self._stream.after_fork()
        self._reset()
        self._delivery.after_fork()

    def _leave(self, what: list[str]) -> None:
        where = self._spool.path
        if where is not None:
            report(
                f"pipeline.left.{self._stream.id}",
                f"{', '.join(what) or 'a part of the tables'}: not accepted by ClearML, so kept in "
                f"{where.parent}; the next process that uses clearml-otel delivers it, or "
                "`clearml-otel upload`",
                level=logging.ERROR,
            )

    def _description(self) -> Mapping[str, Any]:
        return description(self.settings, self._tasks, self._suffix, self._ending)
