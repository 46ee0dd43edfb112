"""The one thread of this process that writes spans down and looks after time-outs."""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

from clearml_otel import lifecycle
from clearml_otel.diagnostics import report

_LONGEST_SLEEP_S: Final = 60.0
_LONGEST_TICK_S: Final = 1.0


class Ticking(Protocol):
    """What the worker looks after."""

    def tick(self) -> float:
        """Do what is due; returns the seconds until there is something to do again."""
        ...


class Worker:
    """Sleeps until something is due. Its thread begins with the first work and is a daemon."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._members: dict[int, Ticking] = {}
        self._wake_at = float("inf")
        self._thread: threading.Thread | None = None

    def add(self, member: Ticking) -> None:
        """Look after it from its first :meth:`wake` on."""
        with self._changed:
            if not self._members:
                lifecycle.register(self)
            self._members[id(member)] = member

    def remove(self, member: Ticking) -> None:
        """Look after it no more."""
        with self._changed:
            self._members.pop(id(member), None)
            thread = self._thread
            if self._members or thread is None or thread is threading.current_thread():
                return
            lifecycle.unregister(self)
            self._changed.notify_all()
        thread.join(_LONGEST_TICK_S)

    def wake(self, within_s: float) -> None:
        """There will be something to do in so many seconds."""
        at = time.monotonic() + within_s
        if at >= self._wake_at and self._thread is not None:
            return
        with self._changed:
            self._wake_at = min(self._wake_at, at)
            if self._thread is None:
                self._start()
            self._changed.notify_all()

    def close(self) -> None:
        """The end of the process: what is left is done by those who close."""

    def after_fork(self) -> None:
        """In a forked child: the thread is the parent's."""
        members = self._members
        self._reset()
        self._members = members

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="clearml-otel-worker", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # the interpreter ends: closing does the rest
        self._thread = thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while (left := self._wake_at - time.monotonic()) > 0 and self._members:
                    self._changed.wait(min(left, _LONGEST_SLEEP_S))
                if not self._members:
                    self._thread = None
                    return
                self._wake_at = float("inf")
                members = list(self._members.values())
            sleep = min(map(_tick, members))
            with self._changed:
                self._wake_at = min(self._wake_at, time.monotonic() + sleep)


def _tick(member: Ticking) -> float:
    try:
        return member.tick()
    except Exception as error:  # noqa: BLE001 - one that fails must not stop the others
        report(
            f"worker.{type(error).__name__}",
            f"in the background: {type(error).__name__}: {error}; it is tried again",
            exc_info=True,
        )
        return 1.0


worker: Final = Worker()
"""The worker of this process."""
