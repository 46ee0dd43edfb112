"""The end of the process: what is still open is closed, last of all exit handlers.

This module is imported with the package, so that its exit handler is registered before that of a
tracer provider made later. Exit handlers run last-registered first: the provider's own shutdown,
which may still export spans, comes before ours.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet


class Closable(Protocol):
    """Something that wants a last word at the end of the process."""

    def close(self) -> None:
        """Publish what there is and let go."""
        ...


_open: WeakSet[Closable] = WeakSet()
_lock = threading.Lock()


def register(closable: Closable) -> None:
    """Have it closed at the end of the process, unless it is gone by then."""
    with _lock:
        _open.add(closable)


def unregister(closable: Closable) -> None:
    """It was closed already."""
    with _lock:
        _open.discard(closable)


def uncaught_exception() -> BaseException | None:
    """The exception that ends the program, while its exit handlers run.

    The interpreter leaves it in ``sys.last_value`` when it prints it. A notebook does so after
    every failed cell, so there it says nothing. ``sys.exit(status)`` leaves no trace at all.
    """
    interactive = hasattr(sys, "ps1") or "ipykernel" in sys.modules
    return None if interactive else getattr(sys, "last_value", None)


def _close_all() -> None:
    with _lock:
        closables = list(_open)
    closers: list[Callable[[], None]] = [closable.close for closable in closables]
    for close in closers:
        close()


atexit.register(_close_all)
