"""Publications to ClearML, in order, retried until they are accepted.

One daemon thread a pipeline talks to the network, so that nothing of the application waits for it
unless it asks to, and then no longer than it said: a call that hangs is left to the thread. At the
end of the process no thread is started: where there is none, the caller drains inline.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from opentelemetry.instrumentation.utils import suppress_instrumentation

from clearml_otel.clearml.time_left import never, seconds_left, until
from clearml_otel.clearml.transport import UNAUTHORIZED, Status, Transport, TransportError
from clearml_otel.diagnostics import forget, report
from clearml_otel.pipeline.telemetry import telemetry

if TYPE_CHECKING:
    from clearml_otel.pipeline.tasks import Tasks

# the application may have seeded the global generator for an experiment
_jitter: Final = random.SystemRandom()

Step: TypeAlias = Callable[[Transport], None]

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 60.0
_LAST_PAUSES_S: Final = (0.5, 1.0, 2.0)  # between the last tries, which hold up the program's end
_OPEN_AFTER: Final = 5  # failures in a row, after which new jobs wait their turn too
_PING_EVERY_S: Final = 600.0  # ClearML stops tasks that say nothing for two hours


@dataclass(slots=True)
class Job:
    """Steps that belong together, such as one session's tables.

    Args:
        name: what the log calls it.
        steps: done one after the other; those done are not repeated.
        replaces: a waiting job of the same key is dropped for this one, which says it better.
    """

    name: str
    steps: deque[Step]
    replaces: str | None = None
    refused: list[str] = field(default_factory=list[str])

    def next(self, steps: Iterable[Step]) -> None:
        """Insert steps right after the one that is being done."""
        current = self.steps.popleft()
        self.steps.extendleft(reversed(list(steps)))
        self.steps.appendleft(current)


class Delivery:
    """The queue of one pipeline's jobs.

    Args:
        tasks: where they go; where there is only the main one, it is opened before the first job.
    """

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self._jobs: deque[Job] = deque()
        self._reset_synchronisation()
        self._closing = False
        self._ends_at = never()
        self._last: tuple[Status, str] = "completed", ""
        self.ended = False
        """Whether nothing is left to do: the tasks have their status too."""
        self._failures_in_a_row = 0
        self._failed_tries = 0
        self._not_before = 0.0
        self._hopeless = False
        self.refused = False

    def _reset_synchronisation(self) -> None:
        self._changed = threading.Condition()
        self._working = threading.Lock()
        self._kicked = False
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> list[str]:
        """The names of the jobs that are not delivered yet."""
        with self._changed:
            return [job.name for job in self._jobs]

    def submit(self, job: Job) -> None:
        """Queue a job; returns at once."""
        with self._changed:
            if job.replaces is not None:
                # the head may be half done: a newer table simply replaces its events
                kept = [item for item in self._jobs if item.replaces != job.replaces]
                self._jobs = deque(kept)
            self._jobs.append(job)
            self._ensure_thread()
            if self._failures_in_a_row < _OPEN_AFTER:
                self._kick()
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until everything is delivered, having what waits for its retry tried at once.

        Returns:
            False if something still waits: the time was up, or the try failed.
        """
        with self._changed:
            before = self._failed_tries
            threaded = self._ensure_thread()
            if threaded:
                self._kick()
                self._changed.wait_for(
                    lambda: not self._jobs or self._failed_tries > before, timeout_s
                )
        if not threaded:
            self._attempt(time.monotonic() + timeout_s)
        return not self._jobs

    def close(self, status: Status, message: str, timeout_s: float) -> list[Job]:
        """Deliver what waits and give the tasks their final status, within the time.

        Done by the delivery's thread, which is left alone with a call that hangs; in the caller's
        where there is none, for at the end of the process no new one can be started.

        Returns:
            The jobs that ClearML did not take.
        """
        with self._changed:
            self._last = status, message
            self._ends_at = time.monotonic() + timeout_s
            self._closing = True
            self._changed.notify_all()
        thread = self._thread
        if thread is None or thread is threading.current_thread() or not thread.is_alive():
            self._end()
        else:
            thread.join(max(0.0, self._ends_at - time.monotonic()))
        return list(self._jobs)

    def _end(self) -> None:
        """The last tries, and the tasks' status."""
        for pause in (*_LAST_PAUSES_S, 0.0):
            if not self._jobs or self._attempt(self._ends_at) or self._hopeless:
                break
            now = time.monotonic()
            if now >= self._ends_at:
                break
            time.sleep(max(0.0, min(max(pause, self._not_before - now), self._ends_at - now)))
        if not self._jobs:
            self.ended = all(self._give_status(each) for each in self.tasks.opened().values())

    def _give_status(self, transport: Transport) -> bool:
        """Whether it needs no further try."""
        status, message = self._last
        try:
            with suppress_instrumentation(), until(lambda: self._ends_at):
                transport.close(status, message)
        except TransportError as error:
            report(
                "delivery.close",
                f"the ClearML task could not be marked {status}: {error}",
                level=logging.ERROR,
            )
            return not error.transient
        return True

    def after_fork(self) -> None:
        """In a forked child: what waits belongs to the parent, as do its thread and sockets."""
        self._jobs = deque()
        self._reset_synchronisation()
        self.tasks.after_fork()

    def _kick(self) -> None:
        self._kicked = True
        self._changed.notify_all()

    def _ensure_thread(self) -> bool:
        """Whether a thread does the work; there is none any more when the interpreter ends."""
        if self._thread is not None and self._thread.is_alive():
            return True
        if self._closing:
            return False
        thread = threading.Thread(target=self._work, name="clearml-otel-delivery", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _work(self) -> None:
        while True:
            changed = self._changed
            with changed:
                changed.wait_for(lambda: self._jobs or self._closing, _PING_EVERY_S)
                closing, idle = self._closing, not self._jobs
                self._kicked = False
            if closing:
                self._end()
                return
            if idle:
                self._ping()
            elif not self._attempt():
                self._back_off()

    def _back_off(self) -> None:
        """Wait before the next try; a new job or somebody who waits cuts it short.

        Only the time that the server asked for is kept whatever happens, and after several
        failures in a row new jobs hurry nobody: the next try finds them.
        """
        ceiling = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._failures_in_a_row, 10))
        pause = _jitter.uniform(_FIRST_WAIT_S / 2, ceiling)
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing, max(0.0, self._not_before - time.monotonic())
            )
            self._changed.wait_for(lambda: self._kicked or self._closing, pause)

    def _attempt(self, deadline: float = math.inf) -> bool:
        """Do all that waits, unless another thread's try outlasts the deadline.

        Returns:
            False where a step has to be tried again.
        """
        longest = min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
        if not self._working.acquire(timeout=longest):
            return False
        try:
            with suppress_instrumentation(), until(lambda: min(deadline, self._ends_at)):
                return self._do_all()
        finally:
            self._working.release()

    def _do_all(self) -> bool:
        while True:
            with self._changed:
                job = self._jobs[0] if self._jobs else None
            if job is None:
                return True
            began = time.monotonic()
            try:
                self.tasks.reach()
                perform(job, self.tasks.main)
            except TransportError as error:
                telemetry.tried(time.monotonic() - began, error.kind)
                self._failed(job, error)
                return False
            telemetry.tried(time.monotonic() - began)
            self._failures_in_a_row = 0
            for kind in ("transient", UNAUTHORIZED):
                forget(f"delivery.{kind}")
            with self._changed:
                self.refused = self.refused or bool(job.refused)
                if self._jobs and self._jobs[0] is job:
                    self._jobs.popleft()
                self._changed.notify_all()

    def _failed(self, job: Job, error: TransportError) -> None:
        report(
            f"delivery.{error.kind}",
            f"{job.name}: not yet in ClearML: {error} (it is kept and tried again)",
            level=logging.ERROR,
        )
        self._hopeless = not error.transient
        with self._changed:
            self._not_before = time.monotonic() + error.retry_after_s
            if error.kind == UNAUTHORIZED:
                # no try of its own is worth much before somebody repairs them
                self._failures_in_a_row = max(self._failures_in_a_row, _OPEN_AFTER)
            self._failures_in_a_row += 1
            self._failed_tries += 1
            self._changed.notify_all()

    def _ping(self) -> None:
        try:
            with suppress_instrumentation():
                for transport in self.tasks.opened().values():
                    transport.ping()
        except TransportError as error:
            report("delivery.ping", f"ClearML does not hear from the task: {error}")


def perform(job: Job, transport: Transport) -> None:
    """Do a job's steps; one that ClearML refuses for good is named and left out.

    Where somebody waits for it, no step begins when the time is up.

    Args:
        job: the job; steps that are done are gone from it.
        transport: where to.

    Raises:
        TransportError: a step is to be tried again; those done before it are not repeated.
    """
    while job.steps:
        if seconds_left() <= 0:
            raise TransportError(f"there was no time left for {job.name}", transient=True)
        step = job.steps[0]
        try:
            step(transport)
        except TransportError as error:
            if error.transient:
                raise
            _refuse(job, str(error))
        except Exception as error:  # noqa: BLE001 - one bad step must not stop the others
            _refuse(job, f"{type(error).__name__}: {' '.join(str(error).split())}")
        job.steps.popleft()


def _refuse(job: Job, why: str) -> None:
    job.refused.append(why)
    report(
        f"delivery.refused.{job.name}",
        f"a part of {job.name} is not in ClearML: {why}",
        level=logging.ERROR,
        exc_info=True,
    )
