"""Real LangChain runs become spans: one a run, rightly placed, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from langchain_core.callbacks import CallbackManager, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import (
    FakeListChatModel,
    GenericFakeChatModel,
)
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import StructuredTool, ToolException, tool
from opentelemetry import context as otel_context
from opentelemetry import trace
from tenacity import Retrying, stop_after_attempt

from clearml_otel import attributes as names
from clearml_otel.readability import measure
from clearml_otel.spans import SpanRecord
from support.run_names import run_name
from support.scripted_models import ScriptedChatModel, ScriptedLLM
from support.traced import Traced, traced


class Library(BaseRetriever):
    broken: bool = False

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        if self.broken:
            raise OSError("shelf not found")
        return [Document(f"about {query}", metadata={"source": "a.txt"})]


@tool
def shout(text: str) -> str:
    """Says it louder."""
    return text.upper()


@tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def parent_names(records: list[SpanRecord]) -> dict[str, str | None]:
    by_id = {record.span_id: run_name(record) for record in records}
    return {run_name(record): by_id.get(record.parent_span_id or "") for record in records}


def answer_text(record: SpanRecord) -> str:
    messages = json.loads(str(record.attributes[names.OUTPUT_MESSAGES]))
    return "".join(part["content"] for part in messages[0]["parts"])


# -- models ------------------------------------------------------------------------------


def test_a_completion(tracing: Traced) -> None:
    llm = ScriptedLLM(
        usage={"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
        model="m-1",
        info={"finish_reason": "stop"},
    )
    assert llm.invoke("hi", tracing.config) == "echo hi"
    record = tracing.one()
    found = record.attributes
    assert record.name == "text_completion m-1"
    assert record.kind == "client"
    assert record.status == "unset"
    assert record.end_time_ns is not None
    assert record.end_time_ns >= record.start_time_ns
    assert found[names.OPERATION_NAME] == "text_completion"
    assert found[names.RUN_TYPE] == "llm"
    assert found[names.PROVIDER_NAME] == "scripted"
    assert json.loads(str(found[names.INPUT_MESSAGES]))[0]["parts"][0]["content"] == "hi"
    assert answer_text(record) == "echo hi"
    assert found[names.RESPONSE_MODEL] == "m-1"
    assert found[names.RESPONSE_FINISH_REASONS] == ("stop",)
    assert names.USAGE_TOTAL_TOKENS not in found  # only their sum
    assert names.BATCH_ID not in found


def test_a_chat(tracing: Traced) -> None:
    FakeListChatModel(responses=["fine"]).invoke([HumanMessage("how?")], tracing.config)
    record = tracing.one()
    assert record.attributes[names.RUN_TYPE] == "chat_model"
    assert record.attributes[names.OPERATION_NAME] == "chat"
    assert answer_text(record) == "fine"


def test_ainvoke(tracing: Traced) -> None:
    asyncio.run(ScriptedLLM().ainvoke("hi", tracing.config))
    asyncio.run(FakeListChatModel(responses=["a"]).ainvoke("hi", tracing.config))
    assert tracing.actions == ["on_llm_start", "on_llm_end"] * 2


def test_generate_is_one_call(tracing: Traced) -> None:
    llm = ScriptedLLM(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    llm.generate(["a", "b", "c"], callbacks=[tracing.handler])
    records = tracing.records
    assert len({record.attributes[names.BATCH_ID] for record in records}) == 1
    assert sorted(record.attributes[names.BATCH_INDEX] for record in records) == [0, 1, 2]
    assert {record.attributes[names.BATCH_SIZE] for record in records} == {3}
    assert [row["step"] for row in tracing.tables.records] == [1, 1, 1, 2, 2, 2]
    assert [row.get("prompts") for row in tracing.tables.records][:3] == ["a", "b", "c"]


def test_agenerate_is_one_call(tracing: Traced) -> None:
    asyncio.run(ScriptedLLM().agenerate(["a", "b", "c"], callbacks=[tracing.handler]))
    assert [row["step"] for row in tracing.tables.records] == [1, 1, 1, 2, 2, 2]


def test_two_generate_calls_are_two(tracing: Traced) -> None:
    llm = ScriptedLLM()
    for _ in range(2):
        llm.generate(["a", "b"], callbacks=[tracing.handler])
    assert [row["step"] for row in tracing.tables.records] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_batch(tracing: Traced) -> None:
    assert ScriptedLLM().batch(["a", "b"], tracing.config) == ["echo a", "echo b"]
    chat = FakeListChatModel(responses=["x", "y"])
    chat.batch(["c", "d"], tracing.config)
    assert len(tracing.records) == 4
    session = tracing.tables.session
    prompts = [row[session.columns.index("prompts")] for row in session.rows]
    assert sorted(map(str, prompts)) == ["Human: c", "Human: d", "a", "b"]


def test_abatch(tracing: Traced) -> None:
    asyncio.run(ScriptedLLM().abatch(["a", "b"], tracing.config))
    assert len(tracing.records) == 2


def test_a_batch_with_an_error_in_one_member(tracing: Traced) -> None:
    model = ScriptedChatModel(fails_on=["b"])
    answers = model.batch(["a", "b", "c"], tracing.config, return_exceptions=True)
    assert isinstance(answers[1], ValueError)
    status = {
        json.loads(str(record.attributes[names.INPUT_MESSAGES]))[0]["parts"][0]["content"]: (
            record.status
        )
        for record in tracing.records
    }
    assert status == {"a": "unset", "b": "error", "c": "unset"}


def test_chat_generate_with_an_error_in_one_member(tracing: Traced) -> None:
    model = ScriptedChatModel(fails_on=["b"])
    with pytest.raises(ValueError, match="no answer to b"):
        model.generate(
            [[HumanMessage("a")], [HumanMessage("b")]],
            callbacks=[tracing.handler],
        )
    # LangChain says nothing any more of the member that had succeeded
    assert len(tracing.handler.spans) == 1
    tracing.handler.spans.close()
    assert tracing.actions == ["on_llm_start", "on_llm_start", "on_llm_error"]
    table = tracing.tables.runs
    assert [row[table.columns.index("status")] for row in table.rows] == ["unfinished", "error"]


def test_stream_counts_its_tokens(tracing: Traced) -> None:
    chunks = list(ScriptedLLM(answers={"hi": ["abc"]}).stream("hi", tracing.config))
    record = tracing.one()
    assert chunks == ["a", "b", "c"]
    assert record.attributes[names.STREAM_TOKENS] == 3
    first = record.attributes[names.RESPONSE_TIME_TO_FIRST_CHUNK]
    assert isinstance(first, float)
    assert 0 <= first < 60
    assert record.events == ()
    (start, end) = tracing.tables.records
    assert (start["llm_streams"], end["llm_streams"]) == (0, 3)
    assert answer_text(record) == "abc"


def test_astream(tracing: Traced) -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("one two three")]))

    async def read() -> str:
        before = otel_context.get_current()
        chunks = [str(chunk.content) async for chunk in model.astream("hi", tracing.config)]
        assert otel_context.get_current() is before
        return "".join(chunks)

    assert asyncio.run(read()) == "one two three"
    record = tracing.one()
    assert record.attributes[names.STREAM_TOKENS] == 5
    assert answer_text(record) == "one two three"


def test_two_thousand_tokens(tracing: Traced) -> None:
    for _ in ScriptedLLM(answers={"hi": ["x" * 2_000]}).stream("hi", tracing.config):
        pass
    record = tracing.one()
    assert record.attributes[names.STREAM_TOKENS] == 2_000
    assert record.dropped_events == 0
    assert record.dropped_attributes == 0


def test_interleaved_streams_are_two_traces(tracing: Traced) -> None:
    streams = [ScriptedLLM(answers={"q": ["abc"]}).stream("q", tracing.config) for _ in "12"]
    for _ in zip(*streams, strict=True):
        assert not trace.get_current_span().get_span_context().is_valid
    for stream in streams:
        list(stream)
    assert len({record.trace_id for record in tracing.records}) == 2


def test_an_abandoned_stream_ends(tracing: Traced) -> None:
    stream = ScriptedLLM(answers={"q": ["abc"]}).stream("q", tracing.config)
    next(stream)
    stream.close()
    assert len(tracing.records) == 1


def test_protocol_events_are_streaming_too() -> None:
    """`stream_events(version="v3")` calls `on_stream_event` too."""
    made = traced()
    model = GenericFakeChatModel(messages=iter([AIMessage("one two three")]))
    if not hasattr(model, "stream_events"):
        pytest.skip("this langchain-core has no protocol events")
    for _ in model.stream_events("hi", made.config, version="v3"):
        pass
    record = made.one()
    assert answer_text(record) == "one two three"
    assert names.RESPONSE_TIME_TO_FIRST_CHUNK in record.attributes
    assert len(made.handler.spans) == 0


def test_an_error(tracing: Traced) -> None:
    with pytest.raises(ValueError, match="boom"):
        ScriptedLLM(error=ValueError("boom")).invoke("hi", tracing.config)
    record = tracing.one()
    assert record.status == "error"
    assert record.status_description == "boom"
    assert record.attributes[names.ERROR_TYPE] == "ValueError"
    assert record.attributes[names.ERROR_MESSAGE] == "boom"
    assert tracing.actions == ["on_llm_start", "on_llm_error"]


def test_no_answer_at_all(tracing: Traced) -> None:
    llm = ScriptedLLM(answers={"hi": [""]})
    llm.invoke("hi", tracing.config)
    (_, end) = tracing.tables.records
    assert end["text"] == ""
    assert end["token_usage_total_tokens"] is None


# -- chains, tools, retrievers -----------------------------------------------------------


def test_a_chain_is_a_tree(tracing: Traced) -> None:
    prompt = ChatPromptTemplate.from_messages([("human", "about {topic}")])
    chain = prompt | FakeListChatModel(responses=["bears"]) | StrOutputParser()
    assert chain.invoke({"topic": "x"}, {**tracing.config, "run_name": "Whole"}) == "bears"
    assert parent_names(tracing.records) == {
        "Whole": None,
        "ChatPromptTemplate": "Whole",
        "FakeListChatModel": "Whole",
        "StrOutputParser": "Whole",
    }
    assert len({record.trace_id for record in tracing.records}) == 1
    whole = tracing.named("Whole")
    assert whole.attributes[names.CHAIN_INPUT] == "x"
    assert whole.attributes[names.CHAIN_OUTPUT] == "bears"


@pytest.mark.parametrize("how", ["invoke", "batch", "stream"])
def test_parallel_branches_hang_under_the_parallel(tracing: Traced, how: str) -> None:
    branches = RunnableParallel(
        left=RunnableLambda(lambda x: x + 1).with_config(run_name="left"),
        right=RunnableLambda(lambda x: x - 1).with_config(run_name="right"),
    ).with_config(run_name="both")
    if how == "batch":
        branches.batch([1, 2, 3], tracing.config)
    elif how == "stream":
        list(branches.stream(1, tracing.config))
    else:
        branches.invoke(1, tracing.config)
    by_id = {record.span_id: record for record in tracing.records}
    branches_of = [
        run_name(by_id[record.parent_span_id or ""])
        for record in tracing.records
        if run_name(record) in {"left", "right"}
    ]
    runs = 3 if how == "batch" else 1
    assert branches_of == ["both"] * (2 * runs)
    assert len({record.trace_id for record in tracing.records}) == runs


def test_async_chains(tracing: Traced) -> None:
    async def double(x: int) -> int:
        return x * 2

    async def main() -> None:
        before = otel_context.get_current()
        chain = RunnableLambda(double).with_config(run_name="double") | RunnablePassthrough()
        assert await chain.abatch([1, 2], tracing.config) == [2, 4]
        assert [chunk async for chunk in chain.astream(3, tracing.config)] == [6]
        assert otel_context.get_current() is before

    asyncio.run(main())
    assert len({record.trace_id for record in tracing.records}) == 3


def test_a_batch_of_chains_with_an_error(tracing: Traced) -> None:
    def inverse(x: int) -> float:
        return 1 / x

    chain = RunnableLambda(inverse)
    found = chain.batch([1, 0, 2], tracing.config, return_exceptions=True)
    assert isinstance(found[1], ZeroDivisionError)
    assert sorted(record.status for record in tracing.records) == ["error", "unset", "unset"]
    assert len({record.trace_id for record in tracing.records}) == 3


def test_a_user_span_after_a_batch_is_a_trace_of_its_own(tracing: Traced) -> None:
    RunnableLambda(lambda x: x).batch([1, 2, 3], tracing.config)
    with trace.get_tracer("app", tracer_provider=tracing.provider).start_as_current_span("mine"):
        pass
    (mine,) = [record for record in tracing.records if record.name == "mine"]
    assert mine.parent_span_id is None


def test_runs_hang_under_the_applications_current_span(tracing: Traced) -> None:
    tracer = trace.get_tracer("app", tracer_provider=tracing.provider)
    with tracer.start_as_current_span("request"):
        RunnableLambda(lambda x: x).invoke(1, tracing.config)
    run, request = tracing.records
    assert run.parent_span_id == request.span_id


def test_a_tool(tracing: Traced) -> None:
    assert shout.invoke("hey", tracing.config) == "HEY"
    record = tracing.one()
    found = record.attributes
    assert record.name == "execute_tool shout"
    assert found[names.TOOL_NAME] == "shout"
    assert found[names.TOOL_DESCRIPTION] == "Says it louder."
    assert found[names.TOOL_INPUT] == "hey"
    assert found[names.TOOL_CALL_RESULT] == "HEY"
    assert tracing.actions == ["on_tool_start", "on_tool_end"]


def test_a_tool_called_by_a_model_shows_its_output(tracing: Traced) -> None:
    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "call_1", "type": "tool_call"}
    message = add.invoke(call, tracing.config)
    assert isinstance(message, ToolMessage)
    found = tracing.one().attributes
    assert found[names.TOOL_CALL_ID] == "call_1"
    assert json.loads(str(found[names.TOOL_CALL_ARGUMENTS])) == {"a": 1, "b": 2}
    assert found[names.TOOL_CALL_RESULT] == "3"


def test_an_async_tool(tracing: Traced) -> None:
    async def whisper(text: str) -> str:
        """Says it softer."""
        return text.lower()

    quiet = StructuredTool.from_function(coroutine=whisper, name="whisper")
    assert asyncio.run(quiet.ainvoke({"text": "HEY"}, tracing.config)) == "hey"
    assert tracing.one().attributes[names.TOOL_CALL_RESULT] == "hey"


def test_a_failing_tool(tracing: Traced) -> None:
    def fail(x: str) -> str:
        """Fails."""
        raise ToolException("jammed")

    with pytest.raises(ToolException):
        StructuredTool.from_function(fail).invoke("x", tracing.config)
    assert tracing.one().attributes[names.ERROR_TYPE] == "langchain_core.tools.base.ToolException"
    assert tracing.actions == ["on_tool_start", "on_tool_error"]


def test_a_retriever(tracing: Traced) -> None:
    Library().invoke("bears", tracing.config)
    found = tracing.one().attributes
    assert found[names.RETRIEVAL_QUERY] == "bears"
    assert json.loads(str(found[names.RETRIEVAL_DOCUMENTS])) == [
        {"content": "about bears", "source": "a.txt"}
    ]


def test_a_failing_retriever(tracing: Traced) -> None:
    with pytest.raises(OSError, match="shelf"):
        asyncio.run(Library(broken=True).ainvoke("bears", tracing.config))
    assert tracing.actions == ["on_retriever_start", "on_retriever_error"]


# -- points ------------------------------------------------------------------------------


def test_custom_events(tracing: Traced) -> None:
    def work(x: int) -> int:
        dispatch_custom_event("progress", {"done": x})
        return x

    RunnableLambda(work).invoke(7, tracing.config)
    start, custom, end = tracing.tables.records
    assert (start["action"], end["action"]) == ("on_chain_start", "on_chain_end")
    assert (custom["action"], custom["name"], custom["data"]) == (
        "on_custom_event",
        "progress",
        '{"done":7}',
    )


def test_more_points_than_a_span_has_room_for(tracing: Traced) -> None:
    def work(x: int) -> int:
        for number in range(2_500):
            dispatch_custom_event("progress", number)
        return x

    RunnableLambda(work).invoke(7, tracing.config)
    tables = tracing.tables
    shown = [row["data"] for row in tables.records if row["action"] == "on_custom_event"]
    lost = tables.runs.rows[0][tables.runs.columns.index("lost")]
    # all there, or the record says what is not
    assert shown == [str(number) for number in range(2_500)] or lost


def test_texts_and_retries(tracing: Traced) -> None:
    runs = CallbackManager.configure(inheritable_callbacks=[tracing.handler])
    chain = runs.on_chain_start({"name": "chain"}, {"input": "q"})
    chain.on_text("thinking", color="green")
    (call,) = chain.get_child().on_llm_start({"name": "llm"}, ["q"])
    # as LangChain's own retry decorator calls it
    tries = Retrying(stop=stop_after_attempt(2), sleep=lambda _: None, before_sleep=call.on_retry)
    for attempt in tries:
        with attempt:
            if attempt.retry_state.attempt_number == 1:
                raise TimeoutError("slow")
    call.on_llm_end(LLMResult(generations=[[Generation(text="a")]]))
    chain.on_chain_end({"output": "a"})
    rows = tracing.tables.records
    assert [row["action"] for row in rows] == [
        "on_chain_start",
        "on_text",
        "on_llm_start",
        "on_retry",
        "on_llm_end",
        "on_chain_end",
    ]
    assert (rows[1]["text"], rows[1]["text_ctr"]) == ("thinking", 1)
    assert (rows[3]["attempt"], rows[3]["error_message"]) == ("1", "TimeoutError: slow")


# -- names, tags, metadata ---------------------------------------------------------------


def test_tags_and_metadata(tracing: Traced) -> None:
    config = {
        **tracing.config,
        "tags": ["a", "b"],
        "metadata": {
            "user": "ann",
            "count": 3,
            "ratio": 0.5,
            "yes": True,
            "nothing": None,
            "list": [1, 2],
            "api_key": "hunter2",
            "nan": float("nan"),
            "huge": 10**30,
        },
    }
    RunnableLambda(lambda x: x).invoke(1, config)
    found = tracing.one().attributes
    assert found[names.TAGS] == ("a", "b")
    prefix = names.METADATA_PREFIX
    told = {key.removeprefix(prefix): item for key, item in found.items() if key.startswith(prefix)}
    assert told == {
        "user": "ann",
        "count": 3,
        "ratio": 0.5,
        "yes": True,
        "list": "[1,2]",
        "api_key": "**********",
        "nan": "nan",
        "huge": str(10**30),
    }


def test_metadata_that_finds_no_room_goes_together(tracing: Traced) -> None:
    metadata = {f"key{number:03}": number for number in range(300)}
    RunnableLambda(lambda x: x).invoke(1, {**tracing.config, "metadata": metadata})
    record = tracing.one()
    assert record.dropped_attributes == 0
    table = tracing.tables.runs
    assert json.loads(str(table.rows[0][table.columns.index("metadata")])) == metadata


def test_the_fullest_run_fits_into_a_span(tracing: Traced) -> None:
    """At the SDK's default of 128 attributes the first ones would go: run id, sequence number."""
    made = traced(measure=measure)
    run_id = uuid4()
    params = {
        "model": "m",
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 5,
        "max_tokens": 5,
        "seed": 5,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.5,
        "stop": ["x"],
        "n": 2,
        "stream": True,
    }
    made.handler.on_chat_model_start(
        {"name": "m"},
        [[HumanMessage("q")]],
        run_id=run_id,
        parent_run_id=uuid4(),
        tags=["t"],
        metadata={"session_id": "s", **{f"key{number}": number for number in range(200)}},
        invocation_params=params,
        batch_size=2,
    )
    made.handler.on_llm_new_token("a", run_id=run_id)
    for _ in range(150):
        made.handler.on_text("t", run_id=run_id)
    message = AIMessage(
        "A long enough answer.",
        id="r-1",
        usage_metadata={
            "input_tokens": 1,
            "output_tokens": 2,
            "total_tokens": 3,
            "input_token_details": {"cache_read": 1, "cache_creation": 1},
            "output_token_details": {"reasoning": 1},
        },
        response_metadata={"model_name": "m", "finish_reason": "stop", "logprobs": [1]},
    )
    generation = ChatGeneration(message=message)
    made.handler.on_llm_end(LLMResult(generations=[[generation, generation]]), run_id=run_id)
    record = made.one()
    assert record.dropped_attributes == 0
    assert record.dropped_events == 0
    assert record.attributes[names.RUN_ID] == str(run_id)


def test_a_chat_of_eighty_messages_is_whole(tracing: Traced) -> None:
    messages = [HumanMessage(f"q{number}") for number in range(80)]
    FakeListChatModel(responses=["a"]).invoke(messages, tracing.config)
    (start, _) = tracing.tables.records
    assert start["prompts"] == "\n".join(f"Human: q{number}" for number in range(80))


@pytest.mark.parametrize("key", ["session_id", "conversation_id", "thread_id"])
def test_metadata_names_the_session_of_all_runs_below(tracing: Traced, key: str) -> None:
    inner = RunnableLambda(lambda x: x).with_config(run_name="inner")
    outer = RunnableLambda(lambda x: inner.invoke(x)).with_config(run_name="outer")
    outer.invoke(1, {**tracing.config, "metadata": {key: "s-1"}})
    for record in tracing.records:
        assert record.attributes[names.SESSION_ID] == "s-1"
        assert record.attributes[names.CONVERSATION_ID] == "s-1"


def test_metadata_that_cannot_be_compared_costs_nothing(tracing: Traced) -> None:
    config = {**tracing.config, "metadata": {"session_id": pd.NA}}
    RunnableLambda(lambda x: x).invoke("asked", config)
    assert tracing.one().attributes[names.CHAIN_INPUT] == "asked"


def test_a_session_may_be_named_by_an_id_of_any_type(tracing: Traced) -> None:
    session = uuid4()
    config = {**tracing.config, "metadata": {"session_id": session, "thread_id": "other"}}
    RunnableLambda(lambda x: x).invoke("asked", config)
    assert tracing.one().attributes[names.SESSION_ID] == str(session)


# -- content off -------------------------------------------------------------------------


def test_without_content_nothing_said_is_on_the_spans() -> None:
    made = traced(capture_content=False, measure=lambda text: {"difficult_words": len(text)})
    llm = ScriptedLLM(
        answers={"hidden prompt": ["hidden answer"]},
        usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    )
    llm.invoke("hidden prompt", made.config)
    shout.invoke("hidden input", made.config)
    Library().invoke("hidden query", made.config)

    def work(x: str) -> str:
        dispatch_custom_event("progress", "hidden event")
        return f"hidden {x}"

    RunnableLambda(work).invoke("hidden input", made.config)
    assert "hidden" not in repr(made.records)
    assert "HIDDEN" not in repr(made.records)
    end = made.tables.records[1]
    assert end["difficult_words"] == len("hidden answer")
    assert end["token_usage_total_tokens"] == 3


# -- readability -------------------------------------------------------------------------


def test_metrics_of_several_answers(tracing: Traced) -> None:
    made = traced(measure=lambda text: {"difficult_words": len(text)})
    ScriptedLLM(answers={"q": ["a", "bbb", ""]}).invoke("q", made.config)
    rows = [row for row in made.tables.records if row["action"] == "on_llm_end"]
    assert [row["text"] for row in rows] == ["a", "bbb", ""]
    assert [row.get("difficult_words") for row in rows] == [1, 3, None]
    assert len({row["step"] for row in rows}) == 1


def test_metrics_that_fail_cost_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    def broken(text: str) -> dict[str, int]:
        raise RuntimeError("no dictionary")

    made = traced(measure=broken)
    with caplog.at_level(logging.WARNING):
        ScriptedLLM().invoke("q", made.config)
    assert answer_text(made.one()) == "echo q"
    assert [row["action"] for row in made.tables.records] == ["on_llm_start", "on_llm_end"]
