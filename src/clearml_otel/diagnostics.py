"""One log line per kind of problem, so that telemetry never floods the application's log."""

from __future__ import annotations

import logging
import os
import threading

from clearml_otel.secret_texts import without_secrets

logger = logging.getLogger("clearml_otel")

_seen: dict[str, int] = {}
_lock = threading.Lock()


def report(
    kind: str, message: str, *, level: int = logging.WARNING, exc_info: bool = False
) -> bool:
    """Log ``message`` the first time a problem of this ``kind`` is met in the process.

    Args:
        kind: what identifies the problem, such as ``"clearml.unauthorized"``.
        message: what is wrong and what to do about it; line breaks become spaces, and secrets,
            which an error of somebody else's may quote, are hidden.
        level: a level of :mod:`logging`.
        exc_info: whether the traceback goes to the log too, at debug level.

    Returns:
        True if the line was written, False if this kind had been reported before.
    """
    message = without_secrets(" ".join(message.split()))
    with _lock:
        count = _seen[kind] = _seen.get(kind, 0) + 1
    if count > 1:
        logger.debug("%s (time %d)", message, count)
        return False
    logger.log(level, "%s", message)
    if exc_info:
        logger.debug("details of %s", kind, exc_info=True)
    return True


def forget(kind: str) -> None:
    """Let the next problem of this kind be logged again, as after a recovery."""
    with _lock:
        _seen.pop(kind, None)


def occurrences() -> dict[str, int]:
    """How often each kind of problem was met so far."""
    with _lock:
        return dict(_seen)


def _after_fork() -> None:
    global _lock
    # another thread of the parent may have held it
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
