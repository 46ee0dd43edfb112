"""Other instrumentations, other settings, on and off: one span a run, and nothing left."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables import config as runnable_config
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler, TraceIdRatioBased

from clearml_otel import attributes as names
from clearml_otel.langchain import LangChainInstrumentor, LangChainSpanHandler
from clearml_otel.langchain.execution_seams import SEAMS
from support.instrumented import Instrumented, instrumented
from support.probes import ProbeChat, ProbeRetriever
from support.run_names import run_name
from support.traced import memory_provider, nothing_left_behind

PROGRAM = Path(__file__).parents[1] / "support" / "peers_program.py"
MODULES = {
    "openinference": "openinference.instrumentation.langchain",
    "traceloop": "opentelemetry.instrumentation.langchain",
    "official": "opentelemetry.instrumentation.genai.langchain",
}
ORDERS = [
    *(f"ours,{peer}" for peer in MODULES),
    *(f"{peer},ours" for peer in MODULES),
    "ours,openinference,traceloop,official",
    "official,traceloop,openinference,ours",
    "traceloop,ours,official,openinference",
]


@pytest.fixture
def traced(caplog: pytest.LogCaptureFixture) -> Iterator[Instrumented]:
    with instrumented(caplog) as made:
        yield made


@functools.cache
def beside(order: str) -> dict[str, Any]:
    """What our spans come to with the others on, in a process of its own."""
    done = subprocess.run(
        [sys.executable, PROGRAM, order],
        env={**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("order", ORDERS)
def test_with_others_on_ours_are_as_alone(order: str) -> None:
    for peer in order.replace("ours", "").split(","):
        if peer:
            pytest.importorskip(MODULES[peer])
    alone, together = beside("ours"), beside(order)
    for work, result in alone.items():
        if not isinstance(result, dict):
            continue
        found = together[work]
        assert found["runs"] == result["runs"], work
        assert found["distinct"] == len(found["runs"]), work
        assert found["wrong parents"] == [], work
        assert found["actions"] == result["actions"], work
        if "official" not in order:  # whose spans are attached too, inside or outside of ours
            assert found["probes"] == result["probes"], work
    assert together["left open"] == 0
    assert [line for line in together["logged"] if line.startswith("clearml_otel")] == []
    assert [work for work in together if work.startswith("off ") and together[work]] == []


def chain(traced: Instrumented) -> Any:
    return RunnableLambda(str, name="first") | ProbeChat(tracer=traced.tracer)


def test_what_starts_suppressed_makes_no_span_and_attaches_nothing(traced: Instrumented) -> None:
    with traced.tracer.start_as_current_span("request"), suppress_instrumentation():
        chain(traced).invoke("q")
        list(chain(traced).stream("q"))
        ProbeRetriever(tracer=traced.tracer).invoke("q")
    assert traced.paths() == sorted(
        [
            "request",
            "request > http generate",
            *["request > http stream"] * 3,
            "request > db search",
        ]
    )


def test_what_has_started_ends_although_suppressed(traced: Instrumented) -> None:
    stream = chain(traced).stream("q")
    next(stream)
    with suppress_instrumentation():
        list(stream)
    assert traced.paths() == sorted(
        [
            "RunnableSequence",
            "RunnableSequence > first",
            "RunnableSequence > ProbeChat",
            *["RunnableSequence > ProbeChat > http stream"] * 3,
        ]
    )


def test_what_starts_suppressed_and_goes_on_unsuppressed_leaves_nothing(
    traced: Instrumented,
) -> None:
    with suppress_instrumentation():
        stream = chain(traced).stream("q")
        next(stream)
    list(stream)
    assert {span.name for span in traced.spans} == {"http stream"}


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, TraceIdRatioBased(0.5)])
def test_sampled_out_runs_leave_no_state(
    caplog: pytest.LogCaptureFixture, sampler: Sampler
) -> None:
    with instrumented(caplog, sampler) as made:
        for _ in range(40):
            chain(made).invoke("q")
            list(chain(made).stream("q"))
            asyncio.run(chain(made).ainvoke("q"))
        traces: dict[int, set[str]] = {}
        for span in made.spans:
            traces.setdefault(span.context.trace_id, set()).add(str(span.name))
        assert all(len(spans) == 4 for spans in traces.values())  # whole or not at all
        assert (len(traces) == 0) == (sampler is ALWAYS_OFF)


# -- on, off, on ----------------------------------------------------------------------------


def functions() -> dict[str, object]:
    """What the instrumentation changes, wherever it is imported."""
    found: dict[str, object] = {}
    for module, seams in SEAMS.items():
        for seam in seams:
            *path, name = seam.path.split(".")
            owner: Any = sys.modules.get(module)
            owner = getattr(owner, path[0], None) if path else owner
            found[f"{module}.{seam.path}"] = vars(owner).get(name) if owner is not None else None
    return found


def test_uninstrument_puts_every_function_back() -> None:
    before = functions()
    LangChainInstrumentor().instrument(complexity_metrics=False)
    changed = functions()
    LangChainInstrumentor().uninstrument()
    assert functions() == before
    found = [name for name, function in before.items() if function is not None]
    assert found
    assert [name for name in found if changed[name] is before[name]] == []


def test_others_wrappers_stay_whenever_they_came(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def wrapped(owner: Any, name: str, label: str) -> None:
        original = vars(owner)[name]

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            called.append(label)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapper)

    places = [
        (BaseChatModel, "_generate_with_cache"),
        (BaseChatModel, "stream"),
        (BaseRetriever, "invoke"),
        (CallbackManager, "on_chain_start"),
        (runnable_config, "_set_config_context"),
    ]
    for owner, name in places:
        wrapped(owner, name, f"before {name}")
    with instrumented(caplog) as made:
        for owner, name in places:
            wrapped(owner, name, f"after {name}")

        def work() -> None:
            chain(made).invoke("q")
            list(ProbeChat(tracer=made.tracer).stream("q"))
            ProbeRetriever(tracer=made.tracer).invoke("q")

        work()
        expected = {f"{when} {name}" for when in ("before", "after") for _, name in places}
        assert set(called) == expected
        assert len(made.spans) == 10
        handler = made.handler
        called.clear()
        LangChainInstrumentor().uninstrument()
        with nothing_left_behind(handler):
            work()
        assert set(called) == expected
        ours = [s for s in made.spans if s.instrumentation_scope.name == names.SCOPE_NAME]
        assert len(ours) == 5
        LangChainInstrumentor().instrument(tracer_provider=made.provider, complexity_metrics=False)


def test_a_second_instrument_is_refused(
    traced: Instrumented, caplog: pytest.LogCaptureFixture
) -> None:
    functions_before = functions()
    LangChainInstrumentor().instrument(complexity_metrics=True)
    said = [each for each in caplog.records if "already instrumented" in each.getMessage()]
    assert [each.levelno for each in said] == [logging.WARNING]
    assert functions() == functions_before
    chain(traced).invoke("q")
    assert len(traced.spans) == 4
    caplog.clear()


def test_other_settings_after_off_and_on() -> None:
    (first, one), (second, two) = memory_provider(), memory_provider()
    work = RunnableLambda(str)
    LangChainInstrumentor().instrument(tracer_provider=first, complexity_metrics=False)
    manager = CallbackManager.configure()
    work.invoke("secret")
    LangChainInstrumentor().uninstrument()
    LangChainInstrumentor().instrument(
        tracer_provider=second, complexity_metrics=False, capture_content=False
    )
    work.invoke("secret")
    work.invoke("secret", {"callbacks": manager})
    LangChainInstrumentor().uninstrument()
    work.invoke("secret", {"callbacks": manager})
    assert ["secret" in span.to_json() for span in one.get_finished_spans()] == [True]
    assert ["secret" in span.to_json() for span in two.get_finished_spans()] == [False, False]


def test_live_managers_and_runs_stop_with_uninstrument(traced: Instrumented) -> None:
    inner = ProbeChat(tracer=traced.tracer)

    def work(given: str) -> Any:
        LangChainInstrumentor().uninstrument()
        return inner.invoke(given)  # its manager was made by the one above

    handler = traced.handler
    RunnableLambda(work, name="outer").invoke("q")
    assert len(handler.spans) == 0
    ours = [s for s in traced.spans if s.instrumentation_scope.name == names.SCOPE_NAME]
    assert [run_name(s) for s in ours] == ["outer"]
    LangChainInstrumentor().instrument(tracer_provider=traced.provider, complexity_metrics=False)


@pytest.mark.parametrize("first", ["handler", "instrumentor"])
@pytest.mark.parametrize("where", ["constructor", "config", "both", "bound"])
def test_an_explicit_handler_takes_its_runs_over(where: str, first: str) -> None:
    provider, exporter = memory_provider()
    tracer = provider.get_tracer("application")
    handlers: list[LangChainSpanHandler] = []

    def make() -> Any:
        handlers.append(LangChainSpanHandler(provider))
        chat = ProbeChat(
            tracer=tracer, callbacks=handlers if where in {"constructor", "both"} else None
        )
        steps = RunnableLambda(str, name="first") | chat
        return steps.with_config(callbacks=handlers) if where == "bound" else steps

    made = make() if first == "handler" else None
    LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
    steps = made or make()
    config: Any = {"callbacks": handlers} if where in {"config", "both"} else {}
    with nothing_left_behind(*handlers):
        steps.invoke("q", config)
        list(steps.stream("q", config))
        asyncio.run(steps.ainvoke("q", config))
    LangChainInstrumentor().uninstrument()
    spans = exporter.get_finished_spans()
    ids = [str(s.attributes[names.RUN_ID]) for s in spans if names.RUN_ID in (s.attributes or {})]
    assert len(ids) == len(set(ids)) == 9
    assert len({span.context.trace_id for span in spans}) == 3
    by_id = {span.context.span_id: span for span in spans}
    http = [span for span in spans if span.name.startswith("http")]
    assert {by_id[span.parent.span_id].name for span in http} == {"chat ProbeChat"}
