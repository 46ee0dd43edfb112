"""A process with one handler; told on stdin, one JSON object a line, what to measure."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import resource
import statistics
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TextIO

import psutil
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from benchmarks import handlers
from benchmarks.models import ChatModel, TextModel, nested_chain, search_tool, sequence
from benchmarks.spec import NotRunnableError, Spec

_PROMPT: Final = "Write a paragraph for the page about the question that the user asked last: 42?"
_WARM_UP_CALLS: Final = 20
_CHAIN_DEPTH: Final = 10
_CHAT_WORDS: Final = 20
_PAUSE_S: Final = 0.005
_MESSAGES: Final = [SystemMessage("You answer questions about the manual."), HumanMessage(_PROMPT)]
_TOOL_INPUT: Final = {"query": "the question that the user asked last", "limit": 5}
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
        self._config: RunnableConfig = {"callbacks": list(measured.callbacks)}
        self._models: dict[int, TextModel] = {}
        self._chain = nested_chain(_CHAIN_DEPTH)
        self._sequence = sequence(_CHAIN_DEPTH - 1)
        self._chat_model = ChatModel(words=_CHAT_WORDS)
        self._tool = search_tool()
        self._loop = asyncio.new_event_loop()
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
        return self._streamed(lambda: model.stream(_PROMPT, config=self._config), tokens, streams)

    def chat_stream(self, tokens: int, streams: int) -> dict[str, Any]:
        """CPU seconds of this thread for each token of a chat model, likewise."""
        model = ChatModel(words=tokens + 1)
        return self._streamed(lambda: model.stream(_MESSAGES, config=self._config), tokens, streams)

    def _streamed(
        self, stream: Callable[[], Iterator[object]], tokens: int, streams: int
    ) -> dict[str, Any]:
        spent = 0.0
        for _ in range(streams):
            chunks = stream()
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

    def sequences(self, calls: int) -> dict[str, Any]:
        """CPU seconds of this thread for each of the ten runs of a sequence."""
        before = time.thread_time()
        for _ in range(calls):
            self._sequence.invoke({"input": _PROMPT}, config=self._config)
        return self._answer(time.thread_time() - before, calls * _CHAIN_DEPTH)

    def chats(self, calls: int) -> dict[str, Any]:
        """CPU seconds of this thread for each call of a chat model."""
        before = time.thread_time()
        for _ in range(calls):
            self._chat_model.invoke(_MESSAGES, config=self._config)
        return self._answer(time.thread_time() - before, calls)

    def latencies(self, calls: int) -> dict[str, Any]:
        """Seconds of a chat model's call, with pauses between calls as an application has them.

        By the clock, the median and the slowest of twenty; and of this thread's CPU, the mean.
        """
        wall: list[float] = []
        cpu = 0.0
        for _ in range(calls):
            began, before = time.perf_counter(), time.thread_time()
            self._chat_model.invoke(_MESSAGES, config=self._config)
            cpu += time.thread_time() - before
            wall.append(time.perf_counter() - began)
            time.sleep(_PAUSE_S)
        slow = statistics.quantiles(wall, n=20)[-1]
        measured = {"wall": statistics.median(wall), "slow": slow, "cpu": cpu / calls}
        return {**measured, **self._health()}

    def tools(self, calls: int) -> dict[str, Any]:
        """CPU seconds of this thread for each call of a tool."""
        before = time.thread_time()
        for _ in range(calls):
            self._tool.invoke(_TOOL_INPUT, config=self._config)
        return self._answer(time.thread_time() - before, calls)

    def async_chains(self, calls: int) -> dict[str, Any]:
        """CPU seconds of the process for each of ten nested chain runs in an event loop."""
        spent = self._in_loop(lambda: self._chain.ainvoke({"input": _PROMPT}, self._config), calls)
        return self._answer(spent, calls * _CHAIN_DEPTH)

    def async_chats(self, calls: int) -> dict[str, Any]:
        """CPU seconds of the process for each call of a chat model in an event loop."""
        spent = self._in_loop(lambda: self._chat_model.ainvoke(_MESSAGES, self._config), calls)
        return self._answer(spent, calls)

    def _in_loop(self, start: Callable[[], Coroutine[Any, Any, object]], calls: int) -> float:
        async def run() -> float:
            # handlers that are not inline work in threads of an executor
            before = time.process_time()
            for _ in range(calls):
                await start()
            return time.process_time() - before

        return self._loop.run_until_complete(run())

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
        measured = {"each_s": spent_s / units, "units": units, "spans": self._measured.spans()}
        return {**measured, **self._health()}

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
