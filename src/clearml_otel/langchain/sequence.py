"""The process-wide number of each callback, by which records are put in order."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable
from typing import Final

_process_id = uuid.uuid4().hex[:16]


next_seq: Final[Callable[[], int]] = itertools.count(1).__next__
"""The next number; unique and rising in this process, from any thread."""


def position(number: int) -> str:
    """Where a callback stands: its process, which is another one after a fork, and its number."""
    return f"{_process_id}:{number}"


def _after_fork() -> None:
    global _process_id
    _process_id = uuid.uuid4().hex[:16]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
