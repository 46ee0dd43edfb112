"""A process with one handler; told on stdin, one JSON object a line, what to measure."""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TextIO

import psutil
from langchain_core.runnables import RunnableConfig

from benchmarks import handlers
from benchmarks.models import TextModel, nested_chain
from benchmarks.spec import NotRunnableError, Spec

_PROMPT: Final = "Write a paragraph for the page about the question that the user asked last: 42?"
_WARM_UP_CALLS: Final = 20
_CHAIN_DEPTH: Final = 10
_PEAK_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


class LostCallbacks(logging.Handler):
    """Counts the errors of callbacks, which LangChain logs instead of raising them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class Bench:
    """The measurements; public methods are the commands."""

    def __init__(self, measured: handlers.Measured) -> None:
        self._measured = measured
        self._config: RunnableConfig = {"callbacks": measured.callbacks}
        self._models: dict[int, TextModel] = {}
        self._chain = nested_chain(_CHAIN_DEPTH)
        self._lost = LostCallbacks()
        logger = logging.getLogger("langchain_core.callbacks.manager")
        logger.addHandler(self._lost)
        logger.propagate = False

    def warm_up(self, flush: bool = False) -> dict[str, Any]:
        """Do everything once, so that imports and first-time caches are not measured."""
        self.llm_calls(20, _WARM_UP_CALLS)
        self.stream(20, 1)
        self.chains(1)
        if flush:
            self._measured.flush()
        self._lost.count = 0
        return {}

    def llm_calls(self, words: int, calls: int) -> dict[str, Any]:
        """CPU seconds of this thread for each call of a completion model."""
        model = self._model(words)
        before = time.thread_time()
        for _ in range(calls):
            model.invoke(_PROMPT, config=self._config)
        return self._answer(time.thread_time() - before, calls)

    def stream(self, tokens: int, streams: int) -> dict[str, Any]:
        """CPU seconds of this thread for each token, from the first to the last of an answer."""
        model = self._model(tokens + 1)
        spent = 0.0
        for _ in range(streams):
            chunks = model.stream(_PROMPT, config=self._config)
            next(chunks)
            before = time.thread_time()
            for _ in range(tokens):
                next(chunks)
            spent += time.thread_time() - before
            for _ in chunks:
                pass
        return self._answer(spent, tokens * streams)

    def chains(self, calls: int) -> dict[str, Any]:
        """CPU seconds of this thread for each of ten nested chain runs."""
        before = time.thread_time()
        for _ in range(calls):
            self._chain.invoke({"input": _PROMPT}, config=self._config)
        return self._answer(time.thread_time() - before, calls * _CHAIN_DEPTH)

    def flush(self) -> dict[str, Any]:
        """Seconds of one flush: by the clock, of this thread's CPU, of all threads' CPU."""
        gc.collect()
        wall, thread, process = time.perf_counter(), time.thread_time(), time.process_time()
        self._measured.flush()
        return {
            "wall": time.perf_counter() - wall,
            "thread": time.thread_time() - thread,
            "process": time.process_time() - process,
            **self._health(),
        }

    def published_rows(self) -> dict[str, Any]:
        """The rows of the longest table of action records in the offline session."""
        from clearml_otel.clearml.sessions import read_session

        folder = self._measured.session_folder()
        if folder is None:
            return {"rows": 0}
        rows: Counter[str] = Counter()
        for page in read_session(folder).tables():
            if page.metric == "Action Records":
                rows[page.variant] += len(page.rows)
        return {"rows": max(rows.values(), default=0)}

    def trace_memory(self) -> dict[str, Any]:
        """Have ``tracemalloc`` count from here."""
        tracemalloc.start()
        return {}

    def memory(self) -> dict[str, Any]:
        """Bytes: live ones where traced, resident ones, and the most that were ever resident."""
        gc.collect()
        live, _ = tracemalloc.get_traced_memory() if tracemalloc.is_tracing() else (0, 0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_RSS_UNIT
        return {"live": live, "rss": psutil.Process().memory_info().rss, "peak": peak}

    def _model(self, words: int) -> TextModel:
        if words not in self._models:
            self._models[words] = TextModel(words=words)
        return self._models[words]

    def _answer(self, spent_s: float, units: int) -> dict[str, Any]:
        return {"each_s": spent_s / units, "units": units, **self._health()}

    def _health(self) -> dict[str, Any]:
        lost, self._lost.count = self._lost.count, 0
        return {"lost": lost, "problems": self._measured.problems()}


def _private_stdout() -> TextIO:
    """Our own way to the driver; what handlers print goes to stderr, which is a file."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return channel


def main() -> None:
    """Serve until the driver closes stdin."""
    channel = _private_stdout()

    def answer(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    try:
        bench = Bench(handlers.make(Spec(**json.loads(sys.argv[1]))))
    except NotRunnableError as error:
        answer({"not_runnable": str(error)})
        return
    answer({})
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        measure: Callable[..., dict[str, Any]] = getattr(bench, command.pop("do"))
        answer(measure(**command))
    # ClearML's exit handlers take seconds, and nothing of the session is needed any more
    os._exit(0)


if __name__ == "__main__":
    main()
