"""How long calls into us held up the application: wall clock, and CPU of its own thread."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_MS = 50.0


class Waits:
    """Times of single calls.

    On a busy machine a thread that is ready to run waits for a CPU, so the longest of thousands of
    calls says little of us: it is told, not judged. What our code itself does in one call is CPU of
    the calling thread, and what most calls take is not the machine's doing. Garbage collections are
    left out of the CPU: they come to whoever makes the next object.
    """

    def __init__(self) -> None:
        self._wall: list[float] = []
        self._cpu: list[float] = []
        self._thread = threading.get_ident()
        self._collecting = 0.0
        gc.callbacks.append(self._on_collection)

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        if threading.get_ident() == self._thread:
            now = time.thread_time()
            self._collecting += now if phase == "stop" else -now

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call, or a few that belong together."""
        self._collecting = 0.0
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        self._cpu.append((time.thread_time() - cpu - self._collecting) * 1_000)
        self._wall.append((time.perf_counter() - wall) * 1_000)

    def figures(self) -> dict[str, float]:
        """Milliseconds: quantiles of the wall clock, and the longest by it and by CPU."""
        gc.callbacks.remove(self._on_collection)
        wall = sorted(self._wall)
        return {
            "median": round(wall[len(wall) // 2], 3),
            "p95": round(wall[len(wall) * 95 // 100], 3),
            "p99": round(wall[len(wall) * 99 // 100], 3),
            "longest": round(wall[-1], 1),
            "longest_cpu": round(max(self._cpu), 1),
        }


def assert_never_waited(figures: dict[str, float], quantile: str = "p99") -> None:
    assert figures[quantile] < LONGEST_MS, figures
    assert figures["longest_cpu"] < LONGEST_MS, figures
