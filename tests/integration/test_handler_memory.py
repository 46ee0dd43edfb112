"""What a long-running service keeps: nothing of ended runs, and not too many open ones."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from langchain_core.callbacks import CallbackManager
from langchain_core.outputs import Generation, LLMResult
from langchain_core.runnables import RunnableLambda
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel.langchain import LangChainInstrumentor
from clearml_otel.langchain.runs import LONGEST_RUN_S
from support.scripted_models import ScriptedLLM
from support.shape_parts import Library, weather
from support.shapes import dicts, spanning
from support.traced import Traced, nothing_left_behind, traced

MEGABYTE = 1_000_000


@pytest.mark.slow
def test_ten_thousand_traces_leave_nothing() -> None:
    chain = RunnableLambda(str) | ScriptedLLM()
    shelf, model = Library(), ScriptedLLM()
    kinds: list[Callable[[str], object]] = [
        model.invoke,
        weather.invoke,
        shelf.invoke,
        model.invoke,
    ]

    def traces(count: int) -> int:
        for number in range(count):
            (chain.invoke if number % 10 == 0 else kinds[number % 3])(str(number))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    # its spans are made and dropped
    provider = TracerProvider(shutdown_on_exit=False)
    LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
    try:
        (handler,) = spanning(CallbackManager.configure())
        with nothing_left_behind(handler):
            traces(100)
            tracemalloc.start()
            before = traces(100)
            grown = traces(10_000) - before
    finally:
        tracemalloc.stop()
        LangChainInstrumentor().uninstrument()
    assert grown < MEGABYTE, f"{grown} bytes"


def start(made: Traced, count: int) -> None:
    """Start chains that nobody will end."""
    manager = CallbackManager([made.handler])
    for number in range(count):
        manager.on_chain_start({"name": "endless"}, f"q{number}")


def test_two_thousand_missing_ends_are_unfinished_runs_in_the_end() -> None:
    made = traced()
    start(made, 2_000)
    assert len(made.handler.spans) == 2_000
    made.handler.spans.close()
    assert len(made.handler.spans) == 0
    rows = dicts(made.tables.runs)
    assert {(row["status"], row["name"]) for row in rows} == {("unfinished", "endless")}
    assert [row["input"] for row in made.tables.records] == [f"q{n}" for n in range(2_000)]


def test_missing_ends_cost_little_and_are_given_back() -> None:
    made = traced()
    made.exporter.shutdown()  # keeps no span
    start(made, 10)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        start(made, 2_000)
        held = tracemalloc.get_traced_memory()[0] - before
        made.handler.spans.close()
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 20 * MEGABYTE
    assert left < MEGABYTE / 10


def test_no_more_than_a_number_of_runs_is_open() -> None:
    made = traced()
    made.handler.spans._runs._most = 100
    start(made, 2_000)
    assert len(made.handler.spans) == 100
    # the oldest are ended, and say so
    rows = dicts(made.tables.runs)
    assert [row["status"] for row in rows] == ["unfinished"] * 1_900
    assert made.tables.records[0]["input"] == "q0"


def test_runs_of_yesterday_are_ended() -> None:
    made = traced()
    start(made, 20)
    for run in made.handler.spans._runs._runs.values():
        run.started_s -= 2 * LONGEST_RUN_S
    made.handler.spans._runs._next_look_s = 0.0  # as after a minute
    ScriptedLLM().invoke("q", made.config)
    assert len(made.handler.spans) == 0
    status = [row["status"] for row in dicts(made.tables.runs)]
    assert status == [*["unfinished"] * 20, "ok"]


def test_an_end_that_comes_too_late_makes_no_second_row_of_the_start() -> None:
    made = traced()
    manager = CallbackManager([made.handler])
    run = manager.on_chain_start({"name": "late"}, "q")
    for open_run in made.handler.spans._runs.take_all():
        made.handler.spans._abandon(open_run)
    run.on_chain_end("a")
    assert [row["action"] for row in made.tables.records].count("on_chain_start") == 1


def test_an_end_without_a_start_is_a_record(caplog: pytest.LogCaptureFixture) -> None:
    made = traced()
    (run,) = CallbackManager.configure().on_llm_start({"name": "llm"}, ["q"])
    run.handlers.append(made.handler)  # as langchain-ai/langchain#39633 leaves out the start
    run.on_llm_end(LLMResult(generations=[[Generation(text="an answer")]]))
    assert made.actions == ["on_llm_end"]
    assert made.tables.records[0]["text"] == "an answer"
    assert dicts(made.tables.runs)[0]["lost"] == "1 start"
    assert [row["output"] for row in dicts(made.tables.session)] == ["an answer"]
    assert len(made.handler.spans) == 0
    assert caplog.records == []
