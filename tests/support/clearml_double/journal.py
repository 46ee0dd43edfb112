"""What the double was asked and what was wrong with it, and a way to wait for more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it was answered.

    Attributes:
        time: Unix time in seconds when it was answered.
        name: `service.action`, or `files` for the file server.
        body: The JSON object, the list of lines of a batch, or the field names of an upload.
        status: HTTP status of the answer; 0 when the connection was dropped instead.
        ok: Whether it was answered with 200 and no fault spoiled the answer.
        message: `meta.result_msg` of the answer.
    """

    time: float
    method: str
    name: str
    path: str
    body: Any
    status: int
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Violation:
    """A request that breaks the SDK's schema or names no modelled endpoint, or a bad answer."""

    name: str
    problem: str


@dataclass(slots=True)
class Journal:
    """The requests so far. Its condition's lock guards all state of the double."""

    condition: threading.Condition = field(
        default_factory=lambda: threading.Condition(threading.RLock())
    )
    requests: list[RecordedRequest] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    def add(self, request: RecordedRequest) -> None:
        with self.condition:
            self.requests.append(request)
            self.condition.notify_all()

    def violation(self, name: str, problem: str) -> None:
        with self.condition:
            self.violations.append(Violation(name, problem))

    def notify(self) -> None:
        with self.condition:
            self.condition.notify_all()

    def wait_for(self, predicate: Callable[[], T], timeout: float) -> T:
        """Wait until `predicate()` is true, looking again after every request.

        Args:
            predicate: Looks at the double; called with its lock held.
            timeout: Seconds.

        Raises:
            TimeoutError: With the last requests, when it never became true.
        """
        deadline = time.monotonic() + timeout
        with self.condition:
            while not (value := predicate()):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    last = [f"{item.name} -> {item.status}" for item in self.requests[-10:]]
                    raise TimeoutError(f"not within {timeout} s; last requests: {last}")
                self.condition.wait(remaining)
            return value
