"""The end of the process and its forks: what is still open is told of both.

This module is imported with the package, so that its exit handler is registered before that of a
tracer provider made later. Exit handlers run last-registered first: the provider's own shutdown,
which may still export spans, comes before ours.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from clearml_otel.diagnostics import report


class Closable(Protocol):
    """Something that wants a last word at the end of the process."""

    def close(self) -> None:
        """Publish what there is and let go."""
        ...

    def after_fork(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        ...


# held until they are closed: what an application has lost sight of is published all the same
_open: dict[int, Closable] = {}
# closed after all others: what they leave goes there
_last: dict[int, Closable] = {}
_lock = threading.Lock()
_ending_since: float | None = None


def register(closable: Closable, *, last: bool = False) -> None:
    """Have it closed at the end of the process, and told of forks.

    Args:
        closable: what is to be told.
        last: whether it is closed after those that are not.
    """
    with _lock:
        (_last if last else _open)[id(closable)] = closable


def unregister(closable: Closable) -> None:
    """It was closed already."""
    with _lock:
        _open.pop(id(closable), None)
        _last.pop(id(closable), None)


def uncaught_exception() -> BaseException | None:
    """The exception that ends the program, while its exit handlers run.

    The interpreter leaves it in ``sys.last_value`` when it prints it. A notebook does so after
    every failed cell, so there it says nothing. ``sys.exit(status)`` leaves no trace at all.
    """
    interactive = hasattr(sys, "ps1") or "ipykernel" in sys.modules
    return None if interactive else getattr(sys, "last_value", None)


def ending_since() -> float:
    """When the end of the process began, on :func:`time.monotonic`; now, where it has not.

    Those that are closed one after the other wait in the time of one.
    """
    return time.monotonic() if _ending_since is None else _ending_since


def _close_all() -> None:
    global _ending_since
    with _lock:
        closables = [*_open.values(), *_last.values()]
    _ending_since = time.monotonic()
    for closable in closables:
        _told("the end of the process", closable.close)
    _ending_since = None


def _told(what: str, tell: Callable[[], None]) -> None:
    """One that fails must not keep the others from being told."""
    try:
        tell()
    except Exception as error:  # noqa: BLE001 - whatever it is, the others come next
        report(
            f"lifecycle.{type(error).__name__}",
            f"at {what}: {type(error).__name__}: {error}",
            exc_info=True,
        )


def _after_fork() -> None:
    global _lock
    # another thread of the parent may have held it
    _lock = threading.Lock()
    for closable in [*_open.values(), *_last.values()]:
        _told("a fork", closable.after_fork)
    _close_with_multiprocessing()


class _Anchor:
    """What ``multiprocessing`` keeps a weak reference to, to know whether to call us."""


_anchor = _Anchor()


def _close_with_multiprocessing() -> None:
    """Its forked children end without exit handlers, but with finalizers of its own."""
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        # it forgets the finalizers of the parent, and then calls those who asked for it
        util.register_after_fork(_anchor, _add_finalizer)


def _add_finalizer(_: object) -> None:
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, _close_all, exitpriority=0)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
