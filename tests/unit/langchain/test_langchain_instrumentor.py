"""The instrumentation of every run of the process, on and off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackManager, CallbackManager
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from wrapt import wrap_function_wrapper

from clearml_otel import attributes as names
from clearml_otel.langchain import LangChainInstrumentor, LangChainSpanHandler
from clearml_otel.spans import SpanRecord, from_readable_span
from support.scripted_models import ScriptedLLM
from support.traced import memory_provider, nothing_left_behind

METHODS = (BaseCallbackManager.__init__, BaseCallbackManager.add_handler)


@pytest.fixture(autouse=True)
def _uninstrumented() -> Iterator[None]:
    yield
    LangChainInstrumentor().uninstrument()
    BaseCallbackManager.__init__, BaseCallbackManager.add_handler = METHODS  # type: ignore[method-assign]


@pytest.fixture
def memory() -> tuple[TracerProvider, InMemorySpanExporter]:
    return memory_provider()


@pytest.fixture
def exporter(memory: tuple[TracerProvider, InMemorySpanExporter]) -> InMemorySpanExporter:
    provider, exporter = memory
    LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
    return exporter


def records(exporter: InMemorySpanExporter) -> list[SpanRecord]:
    return [from_readable_span(span) for span in exporter.get_finished_spans()]


def run_ids(exporter: InMemorySpanExporter) -> list[str]:
    return [str(record.attributes[names.RUN_ID]) for record in records(exporter)]


def chain() -> Any:
    return RunnableLambda(str).with_config(run_name="outer") | ScriptedLLM()


def test_every_run_makes_one_span(exporter: InMemorySpanExporter) -> None:
    with nothing_left_behind():
        chain().invoke("q")
        asyncio.run(chain().ainvoke("q"))
        chain().batch(["a", "b"])
        list(chain().stream("q"))
    ids = run_ids(exporter)
    assert len(ids) == len(set(ids)) == 15
    assert len({record.trace_id for record in records(exporter)}) == 5


def test_readability_is_on_by_default() -> None:
    provider, exporter = memory_provider()
    LangChainInstrumentor().instrument(tracer_provider=provider)
    ScriptedLLM(answers={"q": ["A short answer."]}).invoke("q")
    (record,) = records(exporter)
    assert "readability.flesch_reading_ease" in record.attributes


def test_content_can_be_switched_off() -> None:
    provider, exporter = memory_provider()
    LangChainInstrumentor().instrument(
        tracer_provider=provider, capture_content=False, complexity_metrics=False
    )
    ScriptedLLM(answers={"hidden": ["hidden"]}).invoke("hidden")
    assert "hidden" not in repr(records(exporter))


def test_uninstrument_puts_everything_back(exporter: InMemorySpanExporter) -> None:
    LangChainInstrumentor().uninstrument()
    assert (BaseCallbackManager.__init__, BaseCallbackManager.add_handler) == METHODS
    chain().invoke("q")
    assert records(exporter) == []


def test_uninstrument_reaches_managers_already_built(exporter: InMemorySpanExporter) -> None:
    manager = CallbackManager.configure()
    LangChainInstrumentor().uninstrument()
    chain().invoke("q", {"callbacks": manager})
    assert records(exporter) == []


def test_uninstrument_ends_open_runs(exporter: InMemorySpanExporter) -> None:
    def work(x: object) -> object:
        # another object than the one that instrumented: the idiom of OpenTelemetry's manuals
        LangChainInstrumentor().uninstrument()
        return x

    RunnableLambda(work).invoke(1)
    (record,) = records(exporter)
    assert record.attributes[names.UNFINISHED] is True


def test_on_off_on(memory: tuple[TracerProvider, InMemorySpanExporter]) -> None:
    provider, exporter = memory
    for turn in (1, 2):
        LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
        chain().invoke("q")
        assert len(records(exporter)) == 3 * turn
        LangChainInstrumentor().uninstrument()
        chain().invoke("q")
        assert len(records(exporter)) == 3 * turn


def test_managers_built_before_record_again_after_off_and_on(
    memory: tuple[TracerProvider, InMemorySpanExporter],
) -> None:
    provider, exporter = memory
    LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
    manager = CallbackManager.configure()
    LangChainInstrumentor().uninstrument()
    LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
    chain().invoke("q", {"callbacks": manager})
    assert len(set(run_ids(exporter))) == len(records(exporter)) == 3


def test_instrumenting_twice_makes_no_second_span(
    exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        LangChainInstrumentor().instrument(complexity_metrics=False)
    chain().invoke("q")
    assert len(records(exporter)) == 3


def test_uninstrument_removes_this_layer_only(exporter: InMemorySpanExporter) -> None:
    seen: list[int] = []

    def others(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> None:
        wrapped(*args, **kwargs)
        seen.append(1)

    wrap_function_wrapper("langchain_core.callbacks.base", "BaseCallbackManager.__init__", others)
    LangChainInstrumentor().uninstrument()
    chain().invoke("q")
    assert seen


@pytest.mark.parametrize("where", ["config", "constructor", "both", "manager"])
def test_an_explicit_handler_beside_it_makes_one_span_a_run(
    memory: tuple[TracerProvider, InMemorySpanExporter], exporter: InMemorySpanExporter, where: str
) -> None:
    handler = LangChainSpanHandler(memory[0])
    llm = ScriptedLLM(callbacks=[handler] if where in {"constructor", "both"} else None)
    config: dict[str, Any] = {"callbacks": [handler]} if where in {"config", "both"} else {}
    if where == "manager":
        config = {"callbacks": CallbackManager([handler])}
    with nothing_left_behind(handler):
        (RunnableLambda(str).with_config(run_name="outer") | llm).invoke("q", config)
    ids = run_ids(exporter)
    assert len(ids) == len(set(ids)) == 3
    assert len({record.trace_id for record in records(exporter)}) == 1


def test_runs_below_a_constructors_handler_are_not_lost(
    memory: tuple[TracerProvider, InMemorySpanExporter], exporter: InMemorySpanExporter
) -> None:
    handler = LangChainSpanHandler(memory[0])
    inner = ScriptedLLM()

    @tool("ask", parse_docstring=False)
    def ask(q: str) -> str:
        """Asks."""
        return str(inner.invoke(q))

    ask.callbacks = [handler]
    with nothing_left_behind(handler):
        RunnableLambda(lambda q: ask.invoke({"q": q})).invoke("q")
    assert sorted(str(record.attributes[names.RUN_TYPE]) for record in records(exporter)) == [
        "chain",
        "llm",
        "tool",
    ]
    assert len({record.trace_id for record in records(exporter)}) == 1


def test_a_handler_added_to_a_manager_in_use_leaves_its_open_runs_alone(
    memory: tuple[TracerProvider, InMemorySpanExporter], exporter: InMemorySpanExporter
) -> None:
    manager = CallbackManager.configure()
    run = manager.on_chain_start(None, {"q": 1}, name="open")
    manager.add_handler(LangChainSpanHandler(memory[0]))
    run.on_chain_end({"a": 1})
    manager.on_chain_start(None, {"q": 1}, name="next").on_chain_end({"a": 1})
    (first, second) = records(exporter)
    assert names.MISSING_START not in {**first.attributes, **second.attributes}
    assert len(run_ids(exporter)) == 2


def test_the_callers_lists_are_left_alone(exporter: InMemorySpanExporter) -> None:
    handlers: list[Any] = []
    inheritable = CallbackManager(handlers, handlers)
    manager = CallbackManager.configure(inheritable)
    assert (handlers, inheritable.handlers) == ([], [])
    assert len(manager.handlers) == len(manager.inheritable_handlers) == 1


def test_a_closed_handler_does_not_keep_runs_from_being_recorded(
    memory: tuple[TracerProvider, InMemorySpanExporter], exporter: InMemorySpanExporter
) -> None:
    finished = LangChainSpanHandler(memory[0])
    finished.spans.close()
    ScriptedLLM(callbacks=[finished]).invoke("q")
    RunnableLambda(str).invoke("q", {"callbacks": [finished]})
    assert len(records(exporter)) == 2


def test_two_explicit_handlers_record_a_run_each(
    memory: tuple[TracerProvider, InMemorySpanExporter],
) -> None:
    provider, exporter = memory
    handlers: list[Any] = [LangChainSpanHandler(provider), LangChainSpanHandler(provider)]
    chain().invoke("q", {"callbacks": handlers})
    assert len(records(exporter)) == 6
    assert len(set(run_ids(exporter))) == 3


def test_it_names_what_it_works_with() -> None:
    assert list(LangChainInstrumentor().instrumentation_dependencies()) == ["langchain-core >= 0.3"]
