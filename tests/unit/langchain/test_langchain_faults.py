"""Whatever goes wrong: the application is unharmed, every span ends, nothing is left behind."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.agents import AgentAction
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import Generation, LLMResult
from langchain_core.runnables import RunnableLambda
from opentelemetry import context as otel_context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from clearml_otel import attributes as names
from clearml_otel.langchain.guard import fill, guarded
from support.scripted_models import ScriptedLLM
from support.traced import Traced, nothing_left_behind, traced


class Evil:
    """Nothing of it can be read, and its error cannot either."""

    def __str__(self) -> str:
        raise EvilError

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise EvilError


class EvilError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def manager(made: Traced, **keywords: Any) -> CallbackManager:
    return CallbackManager.configure(inheritable_callbacks=[made.handler], **keywords)


# -- cancelled and abandoned runs --------------------------------------------------------


def test_cancelled_runs_end(tracing: Traced) -> None:
    async def main() -> None:
        started = asyncio.Event()

        async def wait(_: object) -> None:
            started.set()
            await asyncio.Event().wait()

        chain = RunnableLambda(wait).with_config(run_name="inner") | RunnableLambda(str)
        task = asyncio.create_task(chain.ainvoke(1, tracing.config))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert {record.attributes[names.ERROR_TYPE] for record in tracing.records} == {
        "asyncio.exceptions.CancelledError"
    }


def test_a_timeout_ends_the_runs_below(tracing: Traced) -> None:
    async def main() -> None:
        async def wait(_: object) -> None:
            await asyncio.Event().wait()

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(RunnableLambda(wait).ainvoke(1, tracing.config), 0.01)

    asyncio.run(main())
    assert len(tracing.records) == 1


def test_an_async_stream_closed_by_another_task(tracing: Traced) -> None:
    async def main() -> None:
        model = GenericFakeChatModel(messages=iter([AIMessage("one two three")]))
        stream = (RunnableLambda(lambda x: x) | model).astream("q", tracing.config)
        await anext(stream)
        await asyncio.create_task(stream.aclose())

    asyncio.run(main())
    assert tracing.records


def test_a_stream_finished_in_another_thread(tracing: Traced) -> None:
    stream = ScriptedLLM(answers={"q": ["abc"]}).stream("q", tracing.config)
    next(stream)
    rest: list[str] = []
    thread = threading.Thread(target=lambda: rest.extend(stream))
    thread.start()
    thread.join()
    assert rest == ["b", "c"]
    assert tracing.one().attributes[names.STREAM_TOKENS] == 3


def test_a_keyboard_interrupt_ends_the_run(tracing: Traced) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RunnableLambda(stop).invoke(1, tracing.config)
    assert tracing.one().attributes[names.ERROR_TYPE] == "KeyboardInterrupt"


# -- other people's callbacks ------------------------------------------------------------


class Raising(BaseCallbackHandler):
    raise_error = True

    def on_llm_start(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a handler of the application's")


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_raising_handler_beside_ours_leaves_nothing_open(ours_first: bool) -> None:
    made = traced()
    handlers = [made.handler, Raising()]
    before = otel_context.get_current()
    with pytest.raises(RuntimeError, match="application"):
        ScriptedLLM().invoke("q", {"callbacks": handlers if ours_first else handlers[::-1]})
    assert otel_context.get_current() is before
    # LangChain never says that such a run is over: it is ended with the handler, as unfinished
    made.handler.spans.close()
    assert len(made.handler.spans) == 0
    assert [record.attributes.get(names.UNFINISHED) for record in made.records] == (
        [True] if ours_first else []
    )


# -- control flow ------------------------------------------------------------------------


class GraphBubbleUp(Exception):  # noqa: N818 - LangGraph's name
    pass


class MyInterrupt(GraphBubbleUp):
    pass


def test_langgraphs_pauses_are_no_errors(tracing: Traced) -> None:
    def pause(_: object) -> None:
        raise MyInterrupt("wait for a human")

    with pytest.raises(MyInterrupt):
        RunnableLambda(pause).invoke(1, tracing.config)
    record = tracing.one()
    assert record.status == "unset"
    assert record.attributes[names.INTERRUPTED] is True
    table = tracing.tables.runs
    assert table.rows[0][table.columns.index("status")] == "interrupted"
    assert tracing.tables.records[-1]["errors"] == 0


def test_langgraphs_own_pause() -> None:
    langgraph = pytest.importorskip("langgraph.graph")
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command, interrupt

    made = traced()

    def ask(state: dict[str, Any]) -> dict[str, Any]:
        return {"answer": interrupt("sure?")}

    builder = langgraph.StateGraph(dict)
    builder.add_node("ask", ask)
    builder.add_edge(langgraph.START, "ask")
    graph = builder.compile(checkpointer=InMemorySaver())
    config = {**made.config, "configurable": {"thread_id": "t-1"}}
    with nothing_left_behind(made.handler):
        graph.invoke({"question": "q"}, config)
        graph.invoke(Command(resume="yes"), config)
    assert {record.status for record in made.records} == {"unset"}
    assert any(record.attributes.get(names.INTERRUPTED) for record in made.records)


# -- sampling and suppression ------------------------------------------------------------


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF)], ids=["off", "parent"])
def test_a_sampler_that_takes_nothing_leaves_no_state(sampler: Any) -> None:
    made = traced(sampler)
    chain = RunnableLambda(lambda x: str(x)) | ScriptedLLM()
    with nothing_left_behind(made.handler):
        assert chain.invoke("q", made.config) == "echo q"
        list(chain.stream("q", made.config))
    assert made.records == []


def test_suppressed_runs_make_no_spans(tracing: Traced) -> None:
    chain = RunnableLambda(lambda x: str(x)) | ScriptedLLM()
    with suppress_instrumentation():
        chain.invoke("q", tracing.config)
    assert tracing.records == []
    assert len(tracing.handler.spans) == 0
    chain.invoke("q", tracing.config)
    assert len(tracing.records) == 3


def test_a_run_that_started_before_the_suppression_ends(tracing: Traced) -> None:
    def work(x: int) -> int:
        with suppress_instrumentation():
            return RunnableLambda(lambda y: y).invoke(x)

    RunnableLambda(work).invoke(1, tracing.config)
    assert len(tracing.records) == 1


# -- starts and ends that do not pair ----------------------------------------------------


def test_an_end_without_a_start_makes_its_row() -> None:
    made = traced()
    response = LLMResult(generations=[[Generation(text="late answer")]])
    made.handler.on_llm_end(response, run_id=uuid4(), parent_run_id=None, tags=["t"])
    assert len(made.handler.spans) == 0
    record = made.one()
    assert record.attributes[names.MISSING_START] is True
    assert made.actions == ["on_llm_end"]
    (row,) = made.tables.session.rows
    assert row[made.tables.session.columns.index("output")] == "late answer"


def test_an_error_without_a_start_makes_its_row() -> None:
    made = traced()
    made.handler.on_tool_error(ValueError("x"), run_id=uuid4())
    assert made.actions == ["on_tool_error"]
    assert len(made.handler.spans) == 0


def test_a_start_without_an_end_is_unfinished_at_close() -> None:
    made = traced()
    made.handler.on_llm_start({}, ["q"], run_id=uuid4(), invocation_params={})
    assert made.records == []
    made.handler.spans.close()
    assert made.actions == ["on_llm_start"]
    assert len(made.handler.spans) == 0


def test_a_start_told_twice_makes_one_ended_span() -> None:
    made = traced()
    run_id = uuid4()
    for _ in range(2):
        made.handler.on_chain_start({}, {"input": "q"}, run_id=run_id)
    made.handler.on_chain_end({"output": "a"}, run_id=run_id)
    made.handler.on_chain_end({"output": "a"}, run_id=run_id)
    assert len(made.handler.spans) == 0
    started = [record for record in made.records if names.MISSING_START not in record.attributes]
    ended = [record for record in started if names.UNFINISHED not in record.attributes]
    assert len(ended) == 1


def test_an_unseen_parent_makes_a_root() -> None:
    made = traced()
    unseen = uuid4()
    run_id = uuid4()
    made.handler.on_llm_start({}, ["q"], run_id=run_id, parent_run_id=unseen)
    made.handler.on_llm_end(LLMResult(generations=[[]]), run_id=run_id)
    record = made.one()
    assert record.parent_span_id is None
    assert record.attributes[names.RUN_PARENT_ID] == str(unseen)


def test_a_handler_given_to_constructors_only_sees_its_part(tracing: Traced) -> None:
    llm = ScriptedLLM(callbacks=[tracing.handler])
    chain = RunnableLambda(str).with_config(run_name="outer") | llm
    chain.invoke("q")
    assert tracing.actions == ["on_llm_start", "on_llm_end"]
    assert tracing.one().parent_span_id is None


def test_callbacks_of_unknown_runs_are_passed_over(tracing: Traced) -> None:
    handler = tracing.handler
    handler.on_text("t", run_id=uuid4())
    handler.on_llm_new_token("t", run_id=uuid4())
    handler.on_agent_action(AgentAction("t", "i", "l"), run_id=uuid4())
    handler.on_custom_event("n", 1, run_id=uuid4())
    handler.on_retry(object(), run_id=uuid4())
    handler.on_interrupt(object())
    handler.on_resume(object())
    assert tracing.records == []


def test_a_closed_handler_records_nothing_and_says_so_each_time() -> None:
    said: list[int] = []
    made = traced(on_closed=lambda: said.append(1))
    made.handler.spans.close()
    with nothing_left_behind(made.handler):
        ScriptedLLM().invoke("q", made.config)
    assert made.records == []
    assert len(said) == 1


# -- values that cannot be read ----------------------------------------------------------


def test_unreadable_inputs_and_outputs_cost_nothing(tracing: Traced) -> None:
    RunnableLambda(lambda x: Evil()).invoke(Evil(), tracing.config)
    record = tracing.one()
    assert record.end_time_ns
    assert "Evil" in str(record.attributes[names.CHAIN_INPUT])
    assert "Evil" in str(record.attributes[names.CHAIN_OUTPUT])


@pytest.mark.parametrize("key", ["session_id", "user", "ls_provider"])
def test_unreadable_metadata_costs_only_itself(key: str) -> None:
    made = traced()
    with nothing_left_behind(made.handler):
        ScriptedLLM().invoke("q", {**made.config, "metadata": {key: Evil(), "other": "kept"}})
    record = made.one()
    assert names.MISSING_START not in record.attributes
    assert record.attributes[f"{names.METADATA_PREFIX}other"] == "kept"


def test_an_unreadable_error_is_an_error_all_the_same() -> None:
    made = traced()

    def fail(_: object) -> None:
        raise EvilError

    with nothing_left_behind(made.handler), pytest.raises(EvilError):
        RunnableLambda(fail).invoke(1, made.config)
    record = made.one()
    assert record.attributes[names.ERROR_TYPE] == f"{__name__}.EvilError"
    assert record.status == "error"


def test_a_retry_that_cannot_be_read_is_still_noted(tracing: Traced) -> None:
    class Outcome:
        failed = True

        def exception(self) -> Exception:
            return EvilError()

    class State:
        outcome = Outcome()
        attempt_number = 2

    run_id = uuid4()
    tracing.handler.on_chain_start({}, "q", run_id=run_id)
    with tracing_allowed():
        tracing.handler.on_retry(State(), run_id=run_id)
    tracing.handler.on_chain_end("a", run_id=run_id)
    assert tracing.actions == ["on_chain_start", "on_retry", "on_chain_end"]


class tracing_allowed:  # noqa: N801 - reads as a statement
    """Our own log is no complaint here."""

    def __enter__(self) -> None:
        logging.getLogger("clearml_otel").disabled = True

    def __exit__(self, *_: object) -> None:
        logging.getLogger("clearml_otel").disabled = False


def test_every_backend_can_encode_what_lone_surrogates_leave() -> None:
    made = traced()
    config = {
        **made.config,
        "run_name": "name\ud800",
        "tags": ["tag\ud800"],
        "metadata": {"key\ud800": "value\ud800", "session_id": "session\ud800"},
    }
    RunnableLambda(lambda x: x).invoke("input\ud800", config)
    record = made.one()
    texts = [record.name, *record.attributes, *map(str, record.attributes.values())]
    # told in ASCII, or the report of a failure could not be encoded either
    assert [
        ascii(text) for text in texts if any("\ud800" <= sign <= "\udfff" for sign in text)
    ] == []


def test_a_guarded_callback_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    @guarded
    def broken(error: Exception) -> None:
        raise error

    with caplog.at_level(logging.WARNING, "clearml_otel"):
        assert broken(ValueError("one\ntwo")) is None
        assert broken(EvilError()) is None
    for record in caplog.records:
        assert "\n" not in record.getMessage()


def test_one_bad_field_keeps_those_before_it() -> None:
    def fields() -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise EvilError

    attributes: dict[str, Any] = {}
    fill(attributes, "test", fields)
    assert attributes == {"a": 1}


class Closed(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("closed")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("closed")

    def __len__(self) -> int:
        return 1


def test_a_response_that_cannot_be_read_ends_its_span() -> None:
    made = traced()
    run_id = uuid4()
    made.handler.on_llm_start({}, ["q"], run_id=run_id, invocation_params={})
    with nothing_left_behind():
        made.handler.on_llm_end(Closed(), run_id=run_id)  # type: ignore[arg-type]  # that is the fault
    assert len(made.handler.spans) == 0
    assert made.one().end_time_ns
