"""What all parts of the benchmarks share: sizes, and workers that may not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.driver import Worker, WorkerError
from benchmarks.spec import NotRunnableError, Spec
from benchmarks.table import NotRunnable


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        rounds: of the CPU times; many short ones, so that what else the machine does meets all
            handlers of a round alike.
        calls: of a model in a round.
        chains: of ten runs each, in a round.
        stream_tokens: of a streamed answer.
        streams: in a round.
        flush_records: action records of the flushes.
        flush_rounds: flushes of each size.
        memory_calls: calls held in memory.
        session_calls: of one session whose tables are made.
        pipeline_spans: through the processor.
        warm_flush: flush once before the flush that is measured.
        share_processes: several measurements in one process, though each leaves traces in it.
        jobs: what runs at once; more than one spoils the numbers.
    """

    rounds: int
    calls: int
    chains: int
    stream_tokens: int
    streams: int
    flush_records: tuple[int, ...]
    flush_rounds: int
    memory_calls: int
    session_calls: int
    pipeline_spans: int
    warm_flush: bool
    share_processes: bool
    jobs: int


FULL = Sizes(
    rounds=120,
    calls=30,
    chains=5,
    stream_tokens=200,
    streams=5,
    flush_records=(1_000, 10_000, 50_000),
    flush_rounds=3,
    memory_calls=10_000,
    session_calls=25_000,
    pipeline_spans=1_000_000,
    warm_flush=True,
    share_processes=False,
    jobs=1,
)
QUICK = Sizes(
    rounds=2,
    calls=5,
    chains=2,
    stream_tokens=20,
    streams=1,
    flush_records=(20, 40),
    flush_rounds=1,
    memory_calls=50,
    session_calls=1_000,
    pipeline_spans=2_000,
    warm_flush=False,
    share_processes=True,
    jobs=4,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how much is measured.

    Args:
        sizes: how much.
        folder: where files go.
        textstat: folder of the textstat that the old handler works with, or why there is none.
        say: shows progress.
    """

    sizes: Sizes
    folder: Path
    textstat: Path | NotRunnable
    say: Callable[[str], None]


class Contender:
    """A worker, or the reason why others' handler cannot be measured; a context manager.

    Args:
        setting: where it runs.
        spec: what it measures.
    """

    def __init__(self, setting: Setting, spec: Spec) -> None:
        self.spec = spec
        self._failure: NotRunnable | None = None
        self._worker: Worker | None = None
        self._ready = False
        self._lost = 0
        self._problems: dict[str, int] = {}
        path = None
        if spec.subject == "old" and spec.complexity:
            if isinstance(setting.textstat, NotRunnable):
                self._failure = setting.textstat
                return
            path = setting.textstat
        self._worker = Worker(spec, setting.folder, path)

    def __enter__(self) -> Contender:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._worker is not None:
            self._worker.kill()

    def ask(self, do: str, **arguments: object) -> dict[str, Any] | NotRunnable:
        """Have something measured.

        Args:
            do: a public method of :class:`benchmarks.worker.Bench`.
            arguments: its keywords.

        Returns:
            The measurements; what made others' handler fail, now and from now on.

        Raises:
            WorkerError: the worker of one of ours died.
        """
        if self._failure is not None or self._worker is None:
            return self._failure or NotRunnable("never started")
        try:
            if not self._ready:
                self._worker.wait_ready()
                self._ready = True
            answer = self._worker.ask(do, **arguments)
        except (NotRunnableError, WorkerError) as error:
            if not self.spec.foreign:
                raise
            self._failure = NotRunnable(str(error))
            return self._failure
        self._lost += answer.get("lost", 0)
        self._problems = answer.get("problems", self._problems)
        return answer

    def notes(self, what: str) -> list[str]:
        """What a reader of its numbers must know, and those of ``what`` since the last time."""
        title = self.spec.title
        notes = [f"{title}: {kind} (reported {n} times)" for kind, n in self._problems.items()]
        if self._lost:
            notes.append(f"{title}, {what}: {self._lost} callbacks raised; their records are lost")
        self._lost = 0
        return notes
