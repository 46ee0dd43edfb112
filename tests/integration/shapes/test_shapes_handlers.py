"""Handlers in configs and constructors, one or two; and off, sampled out, copied, forked."""

from __future__ import annotations

import copy
import os
import pickle
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from clearml_otel import ClearMLCallbackHandler
from clearml_otel.langchain import LangChainInstrumentor, LangChainSpanHandler
from support.offline import OfflineClearML
from support.scripted_models import ScriptedChatModel, ScriptedLLM
from support.shapes import Shapes, no_complaints
from support.traced import memory_provider, nothing_left_behind


def test_a_handler_in_the_config(shape: Shapes) -> None:
    def program(handlers: list[Any]) -> str:
        chain = PromptTemplate.from_template("{x}?") | ScriptedLLM() | StrOutputParser()
        return chain.invoke({"x": "why"}, {"callbacks": handlers})

    seen = shape.explicit(program)
    assert seen.result == "echo why?"
    assert seen.outline == [
        "chain RunnableSequence",
        "  chain PromptTemplate",
        "  llm ScriptedLLM",
        "  chain StrOutputParser",
    ]
    assert seen.pairs == [("why?", "echo why?")]


def test_a_handler_in_the_constructor_only(shape: Shapes) -> None:
    def program(handlers: list[Any]) -> str:
        chain = PromptTemplate.from_template("{x}?") | ScriptedLLM(callbacks=handlers)
        return (chain | StrOutputParser()).invoke({"x": "why"})

    seen = shape.explicit(program, witnessed=False)
    # it is told of the model's run alone, whose parent it never saw
    assert seen.outline == ["llm ScriptedLLM"]
    assert seen.pairs == [("why?", "echo why?")]
    assert seen.spans[0].parent_span_id is None


def test_a_handler_in_two_constructors(shape: Shapes) -> None:
    def program(handlers: list[Any]) -> str:
        @tool
        def ask(question: str) -> str:
            """Asks."""
            return ScriptedLLM(callbacks=handlers).invoke(question)

        ask.callbacks = handlers
        return str(RunnableLambda(lambda x: ask.invoke(x)).invoke("why"))

    seen = shape.explicit(program, witnessed=False)
    assert seen.outline == ["tool ask", "  llm ScriptedLLM"]


def test_a_handler_added_with_config(shape: Shapes) -> None:
    def program(handlers: list[Any]) -> object:
        model = ScriptedChatModel().with_config(callbacks=handlers)
        return (model | StrOutputParser()).batch(["a", "b"])

    seen = shape.explicit(program, witnessed=False)
    assert sorted(seen.pairs) == [("Human: a", "echo a"), ("Human: b", "echo b")]


def test_a_handler_for_an_async_chain(shape: Shapes) -> None:
    async def program(handlers: list[Any]) -> object:
        chain = PromptTemplate.from_template("{x}?") | ScriptedLLM()
        return await chain.ainvoke({"x": "why"}, {"callbacks": handlers})

    assert shape.explicit(program).pairs == [("why?", "echo why?")]


@pytest.mark.parametrize("where", ["config", "constructor"])
def test_beside_the_instrumentor_there_is_one_span_a_run(shape: Shapes, where: str) -> None:
    provider, exporter = memory_provider()
    handler = LangChainSpanHandler(provider)
    LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
    try:
        with no_complaints(), nothing_left_behind(handler):
            model = ScriptedLLM(callbacks=[handler] if where == "constructor" else None)
            config: Any = {"callbacks": [handler]} if where == "config" else None
            (RunnableLambda(str) | model).invoke("q", config)
    finally:
        LangChainInstrumentor().uninstrument()
    assert len(exporter.get_finished_spans()) == 3


class Loud(BaseCallbackHandler):
    """Somebody else's handler, which fails."""

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("not my day")


class Slow(AsyncCallbackHandler):
    """Somebody else's, which is not inline."""

    def __init__(self) -> None:
        self.prompts: list[Any] = []

    async def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.prompts.append(response)


def test_another_handler_that_is_async(shape: Shapes) -> None:
    slow = Slow()

    async def program() -> object:
        return await ScriptedLLM().ainvoke("q", {"callbacks": [slow]})

    seen = shape(program)
    assert seen.pairs == [("q", "echo q")]
    assert len(slow.prompts) == 2  # bare and instrumented


def test_another_handler_that_fails_is_its_own_affair() -> None:
    provider, exporter = memory_provider()
    handler = LangChainSpanHandler(provider)
    with nothing_left_behind(handler):
        RunnableLambda(str).invoke("q", {"callbacks": [Loud(), handler]})
    assert len(exporter.get_finished_spans()) == 1


# -- off, in all the ways ------------------------------------------------------------------


def test_suppressed_runs_make_nothing(shape: Shapes) -> None:
    def program() -> str:
        with suppress_instrumentation():
            return (RunnableLambda(str) | ScriptedLLM()).invoke("q")

    seen = shape(program, witnessed=False)
    assert seen.result == "echo q"
    assert seen.spans == []


def test_runs_that_were_suppressed_at_their_start_only(shape: Shapes) -> None:
    def program() -> list[str]:
        with suppress_instrumentation():
            stream = ScriptedLLM(answers={"q": ["ab"]}).stream("q")
            first = next(stream)
        return [first, *stream]

    seen = shape(program, witnessed=False)
    assert seen.result == ["a", "b"]
    assert seen.spans == []


def test_runs_that_are_suppressed_at_their_end_only_are_whole(shape: Shapes) -> None:
    def program() -> list[str]:
        stream = ScriptedLLM(answers={"q": ["ab"]}).stream("q")
        first = next(stream)
        with suppress_instrumentation():
            return [first, *stream]

    seen = shape(program)
    assert seen.pairs == [("q", "ab")]


def test_sampled_out_runs_leave_nothing() -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    handler = LangChainSpanHandler(provider)
    with no_complaints(), nothing_left_behind(handler):
        for _ in range(50):
            chain = RunnableLambda(str) | ScriptedLLM()
            assert chain.invoke("q", {"callbacks": [handler]}) == "echo q"


def test_no_provider_at_all() -> None:
    handler = LangChainSpanHandler()
    with no_complaints(), nothing_left_behind(handler):
        assert ScriptedLLM().invoke("q", {"callbacks": [handler]}) == "echo q"


# -- copies, pickles, forks ----------------------------------------------------------------


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda model: model.model_copy()])
def test_a_copied_model_is_recorded_too(shape: Shapes, how: Any) -> None:
    def program(handlers: list[Any]) -> list[str]:
        model = ScriptedLLM(callbacks=handlers)
        return [model.invoke("a"), how(model).invoke("b")]

    seen = shape.explicit(program, witnessed=False)
    assert seen.pairs == [("a", "echo a"), ("b", "echo b")]


def test_a_pickled_model_is_recorded_by_the_instrumentor(shape: Shapes) -> None:
    def program() -> str:
        return str(pickle.loads(pickle.dumps(ScriptedLLM())).invoke("q"))

    assert shape(program).pairs == [("q", "echo q")]


def test_a_model_with_a_handler_can_be_pickled() -> None:
    provider, _ = memory_provider()
    model = ScriptedLLM(callbacks=[LangChainSpanHandler(provider)])
    assert pickle.loads(pickle.dumps(model)).invoke("q") == "echo q"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_a_tool(shape: Shapes) -> None:
    @tool
    def forking(x: str) -> str:
        """Has a child do it."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, ScriptedLLM().invoke(x).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read().decode()
        os.waitpid(child, 0)
        return answer

    seen = shape(lambda: forking.invoke("q"), witnessed=False)
    assert seen.result == "echo q"
    # the child's run is the child's own
    assert seen.outline == ["tool forking"]
    assert seen.io("forking") == ("q", "echo q")


# -- the page's handler --------------------------------------------------------------------


def test_two_of_the_pages_handlers(offline: OfflineClearML) -> None:
    handlers: list[Any] = [
        ClearMLCallbackHandler(task_name=name, project_name=name)
        for name in ("task one", "task two")
    ]
    with no_complaints(), nothing_left_behind(*handlers):
        chain = RunnableLambda(str).with_config(run_name="made") | ScriptedLLM()
        assert chain.invoke("q", {"callbacks": handlers}) == "echo q"
    for handler in handlers:
        handler.flush_tracker("runs", finish=True)
    for name in ("task one", "task two"):
        table = offline.sessions()[name].table("Action Records", "runs").dicts()
        assert [row["action"] for row in table] == [
            "on_chain_start",
            "on_chain_start",
            "on_chain_end",
            "on_llm_start",
            "on_llm_end",
            "on_chain_end",
        ]
