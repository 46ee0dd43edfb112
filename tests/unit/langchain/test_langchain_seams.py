"""The seams: what is missing, strange or already changed is let be."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import types
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables import config as runnable_config
from opentelemetry import context as otel_context
from opentelemetry.trace import INVALID_SPAN, get_current_span
from wrapt import FunctionWrapper

from clearml_otel.langchain import LangChainSpanHandler, execution_seams
from clearml_otel.langchain.execution_seams import SEAMS, Change, ExecutionSeams
from clearml_otel.langchain.run_context import Frame, Scope, claimed_frame, inside
from clearml_otel.langchain.runs import OpenRun
from clearml_otel.langchain.seam_wrappers import call_of, model_call, start_of
from clearml_otel.langchain.stream_reads import reads
from support.traced import Traced, traced


@pytest.fixture
def made() -> Iterator[Traced]:
    made = traced()
    before = otel_context.get_current()
    yield made
    assert otel_context.get_current() is before


@pytest.fixture
def seams(made: Traced) -> Iterator[ExecutionSeams]:
    seams = ExecutionSeams(made.handler.spans)
    seams.install()
    yield seams
    seams.remove()


def start(handler: LangChainSpanHandler, run_id: UUID, name: str = "run") -> OpenRun:
    handler.on_chain_start({}, {}, run_id=run_id, name=name)
    run = handler.spans.open_run(run_id)
    assert run is not None
    return run


# -- looking runs up ------------------------------------------------------------------------


def test_runs_of_any_handler_are_found(made: Traced, seams: ExecutionSeams) -> None:
    other = LangChainSpanHandler(made.provider)
    one, two = uuid4(), uuid4()
    assert seams.open_run(one) is None
    runs = start(made.handler, one), start(other, two)
    assert (seams.open_run(one), seams.open_run(two)) == runs
    for handler, run_id in ((made.handler, one), (other, two)):
        handler.on_chain_end({}, run_id=run_id)
    assert seams.open_run(one) is None


@pytest.mark.parametrize("strange", [None, "id", 7, object(), []])
def test_strange_ids_are_nobodys(seams: ExecutionSeams, strange: object) -> None:
    assert seams.open_run(strange) is None
    seams.give_up(strange, ValueError())


def test_nothing_is_found_once_removed(made: Traced, seams: ExecutionSeams) -> None:
    run_id = uuid4()
    start(made.handler, run_id)
    seams.remove()
    assert seams.open_run(run_id) is None
    seams.give_up(run_id, ValueError())
    assert len(made.handler.spans) == 1
    made.handler.on_chain_end({}, run_id=run_id)


def test_a_run_given_up_is_ended_once(made: Traced, seams: ExecutionSeams) -> None:
    run_id = uuid4()
    start(made.handler, run_id)
    seams.give_up(run_id, ValueError("gone"))
    made.handler.on_chain_error(ValueError("late"), run_id=run_id)
    assert made.one().attributes["langchain.error.message"] == "gone"
    assert len(made.handler.spans) == 0


# -- changing functions ---------------------------------------------------------------------


def test_a_missing_seam_is_one_debug_line(
    made: Traced, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(BaseChatModel, "_generate_with_cache")
    monkeypatch.delattr(BaseChatModel, "_iter_v2_events", raising=False)
    seams = ExecutionSeams(made.handler.spans)
    with caplog.at_level(logging.DEBUG, "clearml_otel"):
        seams.install()
    seams.remove()
    (line,) = caplog.records
    assert line.levelname == "DEBUG"
    assert "langchain_core.language_models.chat_models.BaseChatModel._generate_with_cache" in (
        line.getMessage()
    )


def test_a_module_without_anything_is_let_be(
    seams: ExecutionSeams, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for name in SEAMS:
            seams.change(types.ModuleType(name))
    assert caplog.records == []


def test_nothing_is_changed_where_contexts_are_not_copied(
    made: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with another OTEL_PYTHON_CONTEXT, whose attachments would stay."""
    monkeypatch.setattr(execution_seams, "KEPT_IN_VARIABLE", False)
    before = runnable_config._set_config_context
    seams = ExecutionSeams(made.handler.spans)
    seams.install()
    assert runnable_config._set_config_context is before
    seams.remove()


def test_a_second_installation_changes_nothing_twice(made: Traced, seams: ExecutionSeams) -> None:
    after = runnable_config._set_config_context
    seams.change(sys.modules["langchain_core.runnables.config"])
    assert runnable_config._set_config_context is after


def test_a_change_is_undone_only_where_it_is_on_top() -> None:
    class Owner:
        def method(self) -> int:
            return 1

    original = vars(Owner)["method"]
    change = Change.made(Owner, "method", lambda function: lambda self: function(self) + 1)
    assert Owner().method() == 2
    theirs = FunctionWrapper(vars(Owner)["method"], lambda w, i, a, k: w(*a, **k) * 10)
    Owner.method = theirs  # type: ignore[method-assign,assignment]
    change.undo()
    assert vars(Owner)["method"] is theirs
    Owner.method = change.after
    change.undo()
    assert vars(Owner)["method"] is original


def test_methods_that_others_have_wrapped_are_bound(seams: ExecutionSeams) -> None:
    instances: list[object] = []

    class Owner:
        def method(self, x: int) -> int:
            return x

    def theirs(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        instances.append(instance)
        return wrapped(*args, **kwargs)

    wrapped: Any = FunctionWrapper(Owner.method, theirs)
    for wrapper in (model_call, call_of("chain"), start_of("chain")):
        owner = Owner()
        Owner.method = wrapper(wrapped, seams)  # type: ignore[method-assign]
        assert owner.method(5) == 5
        assert instances.pop() is owner


# -- frames ---------------------------------------------------------------------------------


def test_a_frame_left_in_another_context_leaves_it_alone(
    made: Traced, seams: ExecutionSeams, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the garbage collector closes a coroutine."""
    run_id = uuid4()
    run = start(made.handler, run_id)
    with caplog.at_level(logging.DEBUG):
        frames = [copy_context().run(Frame, Scope(seams, None, run)) for _ in range(2)]
        frames[0].leave()
        thread = threading.Thread(target=frames[1].leave)
        thread.start()
        thread.join()
    assert caplog.records == []
    made.handler.on_chain_end({}, run_id=run_id)


def test_only_the_innermost_frame_of_the_kind_is_told(made: Traced, seams: ExecutionSeams) -> None:
    outer = Frame(Scope(seams, "chain"))
    assert claimed_frame("tool") is None
    inner = Frame(Scope(seams, "tool"))
    assert claimed_frame("chain") is None
    assert claimed_frame("tool") is inner
    assert claimed_frame("tool") is None
    inner.leave()
    assert claimed_frame("chain") is outer
    outer.leave()
    assert claimed_frame("chain") is None


def test_runs_of_nobody_attach_nothing(seams: ExecutionSeams) -> None:
    frame = Frame(Scope(seams, "chain"))
    frame.begin([uuid4()])
    frame.begin([])
    assert get_current_span() is INVALID_SPAN
    frame.leave()


def test_managers_without_runs_tell_of_none(seams: ExecutionSeams) -> None:
    frame = Frame(Scope(seams, "chat_model"))
    assert CallbackManager(handlers=[]).on_chat_model_start({}, []) == []
    assert get_current_span() is INVALID_SPAN
    frame.leave()


def test_the_context_inside_keeps_what_was_there(made: Traced) -> None:
    run = OpenRun(made.provider.get_tracer("x").start_span("run"), "chain", {})
    key = otel_context.create_key("mine")
    token = otel_context.attach(otel_context.set_value(key, 1))
    context = inside(run)
    otel_context.detach(token)
    assert otel_context.get_value(key, context) == 1
    assert get_current_span(context) is run.span


# -- streams --------------------------------------------------------------------------------


def test_a_generator_inside_answers_as_by_itself(made: Traced, seams: ExecutionSeams) -> None:
    class GivenError(Exception):
        pass

    closed: list[str] = []

    def work() -> Iterator[Any]:
        try:
            got = yield 1
            try:
                yield got
            except GivenError:
                yield "caught"
        finally:
            closed.append("closed")
        return "returned"

    run = start(made.handler, run_id := uuid4())
    generator: Any = reads(work(), Scope(seams, None, run))
    assert next(generator) == 1
    assert generator.send("sent") == "sent"
    assert generator.throw(GivenError()) == "caught"
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == "returned"
    dropped: Any = reads(work(), Scope(seams, None, run))
    next(dropped)
    del dropped
    gc.collect()
    assert closed == ["closed", "closed"]
    made.handler.on_chain_end({}, run_id=run_id)


def test_an_iterator_that_cannot_be_closed_is_just_dropped(seams: ExecutionSeams) -> None:
    iterator: Any = iter([1, 2])
    generator = reads(iterator, Scope(seams, "chain"))
    assert next(generator) == 1
    generator.close()
    assert list(generator) == []


def test_starts_of_asynchronous_managers_are_in_the_callers_task() -> None:
    seen: list[object] = []

    async def work() -> None:
        before = otel_context.get_current()
        await AsyncCallbackManager(handlers=[]).on_chain_start(None, {})
        seen.append(otel_context.get_current() is before)

    asyncio.run(work())
    assert seen == [True]


def test_an_interrupted_retriever_is_ended(made: Traced, seams: ExecutionSeams) -> None:
    """LangChain tells handlers of exceptions only, not of what stops a program."""

    class Interrupted(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted().invoke("q", made.config)
    assert made.one().attributes["error.type"] == "KeyboardInterrupt"
    assert len(made.handler.spans) == 0


def test_a_chain_inside_of_nothing_of_ours(seams: ExecutionSeams) -> None:
    assert RunnableLambda(lambda x: get_current_span() is INVALID_SPAN).invoke(1)
