"""Keeps the process from forking in the middle of a call of SQLite.

A child inherits SQLite's own locks as they are at that moment; one that another thread holds would
stay locked for ever. So all calls of ours are made under these locks, which a fork waits for.
"""

from __future__ import annotations

import os
import threading
from typing import Final

_LONGEST_WAIT_S: Final = 5.0


class ForkGuard:
    """Two locks: one for calls that are quick, one for those that wait for the disk."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before, after_in_parent=self._release, after_in_child=self._renew
            )

    def _renew(self) -> None:
        self.calls = threading.RLock()
        self.checkpoints = threading.Lock()
        self._held: list[threading.Lock] = []

    def _before(self) -> None:
        for lock in (self.checkpoints, self.calls):
            if lock.acquire(timeout=_LONGEST_WAIT_S):
                self._held.append(lock)  # pyright: ignore[reportArgumentType] - either lock will do

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()


guard: Final = ForkGuard()
"""The locks of this process."""
