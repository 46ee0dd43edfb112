"""How long somebody waits for what is being done: no call to ClearML may take longer.

A context variable, because a wait begins in the delivery and ends in a socket.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from clearml_otel.clearml.transport import TransportError

Deadline: TypeAlias = Callable[[], float]
"""When nobody waits any more, on :func:`time.monotonic`; it may come closer meanwhile."""

_LEAST_S = 0.01


def never() -> float:
    """Nobody waits."""
    return math.inf


_deadline: ContextVar[Deadline] = ContextVar("clearml-otel-deadline", default=never)


@contextmanager
def until(deadline: Deadline) -> Generator[None]:
    """What is done inside, in this thread, ends by then."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float:
    """Until nobody waits any more; infinity where nobody does."""
    return _deadline.get()() - time.monotonic()


def cut(timeouts: tuple[float, float]) -> tuple[float, float]:
    """Time-outs to connect and to read, none of them longer than what is left.

    Raises:
        TransportError: nothing is left.
    """
    left = seconds_left()
    if left < _LEAST_S:
        raise TransportError("there was no time left to ask ClearML", transient=True)
    connect, read = timeouts
    return min(connect, left), min(read, left)
