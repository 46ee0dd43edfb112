"""The runs that have started and not ended, bounded in number and age."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from opentelemetry.trace import Span

MOST_OPEN_RUNS: Final = 50_000
LONGEST_RUN_S: Final = 24 * 3600.0
_LOOKS_IN_THE_LONGEST: Final = 10
_MOST_BETWEEN_LOOKS_S: Final = 60.0

_NOTHING: Final[Mapping[str, Any]] = {}


class OpenRun:
    """What is remembered of a run between its start and its end.

    Args:
        span: its span; a non-recording one where the run is suppressed or sampled out.
        run_type: ``llm``, ``chat_model``, ``chain``, ``tool`` or ``retriever``.
        session: the session attributes that its children inherit.
        started_s: monotonic seconds; now by default.
        number: of its first callback in the process.
        request: the attributes of its start.
        aside: content of its start that only log events get.
    """

    __slots__ = (
        "aside",
        "events",
        "first_token_s",
        "number",
        "overflow",
        "points",
        "request",
        "run_type",
        "session",
        "span",
        "started_s",
        "tokens",
        "usage_owner",
    )

    def __init__(
        self,
        span: Span,
        run_type: str,
        session: Mapping[str, str],
        started_s: float | None = None,
        number: int = 0,
        request: Mapping[str, Any] = _NOTHING,
        aside: Mapping[str, str] = _NOTHING,
    ) -> None:
        self.span = span
        self.run_type = run_type
        self.session = session
        self.request = request
        self.aside = aside
        self.usage_owner: object | None = None
        """Of a model run inside somebody else's inference: who accounts for the tokens."""
        self.number = number
        self.started_s = time.monotonic() if started_s is None else started_s
        self.tokens = 0
        self.events = 0
        """Streamed pieces that came as protocol events."""
        self.first_token_s: float | None = None
        self.points = 0
        self.overflow: list[dict[str, Any]] = []


class OpenRuns:
    """Open runs by run id, from any thread.

    Args:
        abandon: called with each run that is put out to keep the bounds.
        most: how many runs may be open.
        longest_s: how many seconds a run may be open when room is looked for.
    """

    def __init__(
        self,
        abandon: Callable[[OpenRun], None],
        most: int = MOST_OPEN_RUNS,
        longest_s: float = LONGEST_RUN_S,
    ) -> None:
        self._abandon = abandon
        self._most = most
        self._longest_s = longest_s
        # UUID hashes itself in Python, once a streamed token
        self.by_number: Final[dict[int, OpenRun]] = {}
        """By the integer of the run's id; to find a run in and to take one out, each at once."""
        self._runs = self.by_number
        self._next_look_s = 0.0

    def after_fork(self) -> None:
        """In a forked child: the parent ends its runs."""
        self._runs.clear()

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run_id: UUID, run: OpenRun) -> None:
        """Remember a run; the oldest go where there are too many or they are too old."""
        # each operation of a dictionary is whole for other threads, so that no lock is needed
        self._runs[run_id.int] = run
        if len(self._runs) > self._most or run.started_s >= self._next_look_s:
            for oldest in self._outside_the_bounds():
                self._abandon(oldest)

    def get(self, run_id: UUID | None) -> OpenRun | None:
        """The open run of that id."""
        return self._runs.get(run_id.int) if run_id is not None else None

    def pop(self, run_id: UUID) -> OpenRun | None:
        """Take a run out, at its end."""
        return self._runs.pop(run_id.int, None)

    def take_all(self) -> list[OpenRun]:
        """Take every open run out."""
        taken = [self._runs.pop(number, None) for number in list(self._runs)]
        return [run for run in taken if run is not None]

    def _outside_the_bounds(self) -> list[OpenRun]:
        out: list[OpenRun] = []
        now = time.monotonic()
        pause = min(_MOST_BETWEEN_LOOKS_S, self._longest_s / _LOOKS_IN_THE_LONGEST)
        self._next_look_s = now + pause
        # runs stand in the order of their starts, so the first one is the oldest
        while (oldest := self._oldest()) is not None:
            number, run = oldest
            if len(self._runs) <= self._most and now - run.started_s <= self._longest_s:
                break
            if self._runs.pop(number, None) is not None:
                out.append(run)
        return out

    def _oldest(self) -> tuple[int, OpenRun] | None:
        try:
            return next(iter(self._runs.items()), None)
        except RuntimeError:  # another thread has changed it between the two calls
            return self._oldest()
