"""Faults a test orders: wrong status, silence, HTML, short acknowledgement, cut connection."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal

from .journal import Journal

Hang = float | threading.Event | Literal[True]

_POLL_SECONDS = 0.02


@dataclass(eq=False, slots=True)
class Fault:
    """One ordered fault; `ClearMLDouble.fail` explains the fields.

    Attributes:
        hits: How many requests it has struck so far, counted before it acts.
    """

    match: str
    status: int | None = None
    subcode: int = 0
    message: str = "injected fault"
    hang: Hang | None = None
    html: bool = False
    short_added: int = 0
    reset: bool = False
    times: int | None = None
    skip: int = 0
    hits: int = 0
    _seen: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if not (self.status or self.hang or self.html or self.short_added or self.reset):
            raise ValueError("a fault needs status, hang, html, short_added or reset")

    def strikes(self, name: str) -> bool:
        """Whether this request is to fail; counts it."""
        if self._ended.is_set() or not re.search(self.match, name):
            return False
        self._seen += 1
        if self._seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True

    def wait(self) -> bool:
        """Hang as ordered; False when the fault ended meanwhile, so nobody should answer."""
        if self.hang is None:
            return True
        if self.hang is True:
            self._ended.wait()
            return False
        if isinstance(self.hang, threading.Event):
            while not self.hang.wait(_POLL_SECONDS):
                if self._ended.is_set():
                    return False
            return True
        return not self._ended.wait(self.hang)

    def end(self) -> None:
        self._ended.set()


class Faults:
    """The faults in force; the oldest one that matches a request wins."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        with self._journal.condition:
            self._faults.append(fault)
        return fault

    def strike(self, name: str) -> Fault | None:
        """The fault that hits this request, if any."""
        with self._journal.condition:
            fault = next((item for item in self._faults if item.strikes(name)), None)
            if fault:
                self._journal.notify()
            return fault

    def recover(self) -> None:
        """End all faults; requests that hang are dropped unanswered."""
        with self._journal.condition:
            for fault in self._faults:
                fault.end()
            self._faults.clear()
