"""A small LangChain program, run bare and instrumented, and what was recorded of it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import CallbackManager
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clearml_otel.langchain import LangChainInstrumentor, LangChainSpanHandler
from clearml_otel.records import SessionTables, Table, build_tables
from clearml_otel.spans import SpanRecord, from_readable_span
from support.table_rules import assert_as_heard, assert_sound
from support.witness import Call, hearing

_QUIET = ("langchain_core.callbacks.manager", "clearml_otel", "opentelemetry", "asyncio")
_CHANGING = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|0x[0-9a-f]+|(?<=lc_)[0-9a-f-]{20,}"
)


@dataclass(frozen=True)
class Raised:
    """How a program ended that did not return."""

    kind: str
    message: str


@dataclass
class Seen:
    """What an instrumented program gave, and the tables made from its spans."""

    result: Any
    spans: list[SpanRecord]
    heard: list[Call]

    def __post_init__(self) -> None:
        self.tables: SessionTables = build_tables(self.spans)
        self.records = list(self.tables.records)
        self.runs = dicts(self.tables.runs)
        self.session = dicts(self.tables.session)

    @property
    def actions(self) -> list[str]:
        return [str(record["action"]) for record in self.records]

    @property
    def outline(self) -> list[str]:
        """The runs in the order of their starts, each below its parent: `  llm FakeListLLM`."""
        depth: dict[str, int] = {}
        lines: list[str] = []
        for run in self.runs:
            depth[run["run_id"]] = level = depth.get(run["parent_run_id"], -1) + 1
            lines.append(f"{'  ' * level}{run['type']} {run['name']}")
        return lines

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        """Each prompt beside its answer, as the session table has them."""
        return [(row["prompts"], row["output"]) for row in self.session]

    @property
    def tokens(self) -> list[tuple[Any, Any, Any]]:
        """Input, output and total tokens of each model run."""
        keys = ("input_tokens", "output_tokens", "total_tokens")
        return [tuple(run[key] for key in keys) for run in self.runs if run["type"] == "llm"]

    def run(self, name: str, nth: int = 0) -> dict[str, Any]:
        """The runs table's row of the nth run of that name."""
        return [run for run in self.runs if run["name"] == name][nth]

    def start(self, name: str, nth: int = 0) -> dict[str, Any]:
        """The start record of the nth run of that name."""
        return self._record(self.run(name, nth), "start_step")

    def end(self, name: str, nth: int = 0) -> dict[str, Any]:
        """Its end or error record."""
        return self._record(self.run(name, nth), "end_step")

    def io(self, name: str, nth: int = 0) -> tuple[Any, Any]:
        """What a chain, tool or retriever was given and what it gave."""
        start, end = self.start(name, nth), self.end(name, nth)
        given = next((start[k] for k in ("input", "input_str", "query") if k in start), None)
        gave = next((end[k] for k in ("outputs", "output", "documents") if k in end), None)
        return given, gave

    def rows(self, action: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["action"] == action]

    def span(self, name: str, nth: int = 0) -> SpanRecord:
        span_id = self.run(name, nth)["span_id"]
        return next(span for span in self.spans if span.span_id == span_id)

    def _record(self, run: dict[str, Any], column: str) -> dict[str, Any]:
        """The one record at a step; members of a `generate` call share theirs: use `rows`."""
        (record,) = [record for record in self.records if record["step"] == run[column]]
        return record


class Shapes:
    """Runs programs and checks what must hold for every one of them.

    The result is that of the bare program; nobody complains; the current context is what it was;
    no run is left open; the records are what LangChain's callbacks said; and the tables keep their
    own rules.
    """

    def __init__(self, provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
        self.provider = provider
        self._exporter = exporter

    def __call__(self, program: Callable[[], Any], *, witnessed: bool = True) -> Seen:
        """A program without a word about telemetry, under the instrumentor.

        Args:
            program: builds everything that it runs, as it is run twice; sync or async.
            witnessed: whether the tests' own witness hears all that is recorded.
        """
        bare = outcome(program)
        LangChainInstrumentor().instrument(tracer_provider=self.provider, complexity_metrics=False)
        try:
            # the handler that LangChain is given, found through LangChain
            (handler,) = spanning(CallbackManager.configure())
            return self._observe(bare, handler, program, (), witnessed)
        finally:
            LangChainInstrumentor().uninstrument()

    def explicit(self, program: Callable[..., Any], *, witnessed: bool = True) -> Seen:
        """A program that takes the handlers to pass on (`[]` for the bare run)."""
        bare = outcome(program, [])
        handler = LangChainSpanHandler(self.provider)
        return self._observe(bare, handler, program, ([handler],), witnessed)

    def _observe(
        self,
        bare: Any,
        handler: LangChainSpanHandler,
        program: Callable[..., Any],
        args: tuple[Any, ...],
        witnessed: bool,
    ) -> Seen:
        earlier = len(self._exporter.get_finished_spans())
        before = otel_context.get_current()
        with no_complaints(), hearing() as heard:
            result = outcome(program, *args)
        assert otel_context.get_current() is before
        assert len(handler.spans) == 0, "runs were left open"
        assert comparable(result) == comparable(bare)
        finished = self._exporter.get_finished_spans()[earlier:]
        spans = [from_readable_span(span) for span in finished]
        seen = Seen(result, spans, heard)
        assert_sound(seen.spans, seen.tables)
        if witnessed:
            assert_as_heard(seen.heard, seen.tables)
        return seen


def shapes_in_memory(**limits: Any) -> Shapes:
    """On a provider of its own that publishes nothing; keywords are the provider's."""
    provider = TracerProvider(shutdown_on_exit=False, **limits)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Shapes(provider, exporter)


def spanning(manager: Any) -> list[LangChainSpanHandler]:
    return [item for item in manager.handlers if isinstance(item, LangChainSpanHandler)]


def outcome(program: Callable[..., Any], *args: Any) -> Any:
    """What a program returns, or how it fails."""
    try:
        if inspect.iscoroutinefunction(program):
            return asyncio.run(_context_kept(program, *args))
        return program(*args)
    except BaseException as error:  # a KeyboardInterrupt too is a result like another
        return Raised(type(error).__name__, str(error))


async def _context_kept(program: Callable[..., Any], *args: Any) -> Any:
    before = otel_context.get_current()
    try:
        return await program(*args)
    finally:
        assert otel_context.get_current() is before


def comparable(value: Any) -> str:
    """A value's text without what is another each time: ids and addresses."""
    return _CHANGING.sub("…", repr(value))


@contextmanager
def no_complaints() -> Iterator[None]:
    """Fails where LangChain, OpenTelemetry, asyncio or the package itself logs a warning."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.split(".")[0] in _QUIET or record.name in _QUIET:
                said.append(f"{record.name}: {record.getMessage()}")

    listener = Listener(logging.WARNING)
    logging.getLogger().addHandler(listener)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(listener)
    assert said == []


@contextmanager
def warnings_ignored() -> Iterator[None]:
    """For what LangChain calls old, or too new."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def dicts(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
