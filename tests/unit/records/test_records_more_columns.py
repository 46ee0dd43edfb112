"""What the page's tables never saw has columns of its own, and only where it occurs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from clearml_otel import attributes as names
from clearml_otel.records import SessionTables, build_tables
from clearml_otel.records.columns import ACTION, COUNTERS
from clearml_otel.records.live import LiveRecords
from clearml_otel.spans import SpanEvent
from clearml_otel.spans.otlp_json import from_otlp_json, to_otlp_json_lines
from support.langchain_apps import ScriptedAgentModel, calls
from support.run_records import NOON, SECOND, call, run_record, with_attributes
from support.scripted_models import ScriptedChatModel, ScriptedLLM
from support.traced import Traced, traced

EXTRA = ("tool_calls", "reasoning", "artifact", "stream_tokens", "time_to_first_token_s")


def rows(tables: SessionTables, action: str) -> list[dict[str, Any]]:
    found = [dict(record) for record in tables.records if record["action"] == action]
    shown = [dict(zip(tables.actions.columns, row, strict=True)) for row in tables.actions.rows]
    for record in found:
        assert any(record.items() <= row.items() for row in shown)
    return found


def runs(tables: SessionTables, column: str) -> list[Any]:
    return [row[tables.runs.columns.index(column)] for row in tables.runs.rows]


def test_an_ordinary_session_has_none_of_them() -> None:
    made = traced()
    ScriptedLLM(usage={"total_tokens": 1}).invoke("q", made.config)
    ScriptedChatModel().invoke("q", made.config)
    assert set(made.tables.actions.columns).isdisjoint(EXTRA)


def test_they_stand_after_the_pages() -> None:
    assert ACTION[-len(EXTRA) :] == EXTRA


# -- tool calls and reasoning --------------------------------------------------------------


def test_requested_tools_stand_in_the_answers_row() -> None:
    made = traced()
    message = AIMessage(
        [{"type": "thinking", "thinking": "I should look."}, {"type": "text", "text": "Wait."}],
        tool_calls=calls("search", q="é").tool_calls,
        invalid_tool_calls=[{"name": "buy", "args": "{n: 1", "id": "c2", "error": "bad JSON"}],
    )
    ScriptedAgentModel(script=[message]).invoke("q", made.config)
    (row,) = rows(made.tables, "on_llm_end")
    assert row["text"] == "Wait."
    assert row["reasoning"] == "I should look."
    assert json.loads(row["tool_calls"]) == [
        {"name": "search", "arguments": {"q": "é"}, "id": "call_1"},
        {"name": "buy", "arguments": "{n: 1", "id": "c2", "error": "bad JSON"},
    ]
    assert "é" in row["tool_calls"]


def test_each_answer_has_its_own() -> None:
    several = [
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": {}}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "a"}]},
    ]
    record = run_record("chat_model", gen_ai__output__messages=json.dumps(several))
    first, second = rows(build_tables([record]), "on_llm_end")
    assert json.loads(first["tool_calls"]) == [{"name": "f", "arguments": {}, "id": None}]
    assert (first["text"], second["text"]) == ("", "a")
    assert "tool_calls" not in second


def test_without_content_there_are_none() -> None:
    made = traced(capture_content=False)
    ScriptedAgentModel(script=[calls("hidden", q="hidden")]).invoke("q", made.config)
    assert set(made.tables.actions.columns).isdisjoint(EXTRA)
    assert "hidden" not in repr(made.records)


# -- streams -------------------------------------------------------------------------------


class Streaming(ScriptedAgentModel):
    """A word a chunk, usage with the last one."""

    fails: bool = False

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
        for word in ("one ", "two ", "three"):
            chunk = ChatGenerationChunk(message=AIMessageChunk(word))
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        if self.fails:
            raise ConnectionError("cut off")
        usage = {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
        yield ChatGenerationChunk(message=AIMessageChunk("", usage_metadata=usage))


async def astream(model: Streaming, config: Any) -> None:
    async for _ in model.astream("q", config):
        pass


@pytest.mark.parametrize("how", ["stream", "astream"])
def test_a_streamed_answer_is_one_row(how: str) -> None:
    made = traced()
    model = Streaming()
    if how == "astream":
        asyncio.run(astream(model, made.config))
    else:
        list(model.stream("q", made.config))
    (row,) = rows(made.tables, "on_llm_end")
    assert row["text"] == "one two three"
    assert row["token_usage_total_tokens"] == 5
    assert (row["token_usage_prompt_tokens"], row["token_usage_completion_tokens"]) == (2, 3)
    # LangChain's newer versions tell of empty chunks too: that of the usage, and a last one
    assert row["stream_tokens"] in {3, 4, 5}
    assert row["llm_streams"] == row["stream_tokens"]
    assert 0 <= row["time_to_first_token_s"] < 60
    assert runs(made.tables, "time_to_first_chunk_s") == [row["time_to_first_token_s"]]


def test_a_stream_that_breaks_says_how_far_it_came() -> None:
    made = traced()
    with pytest.raises(ConnectionError):
        list(Streaming(fails=True).stream("q", made.config))
    (row,) = rows(made.tables, "on_llm_error")
    assert (row["error_type"], row["error_message"]) == ("ConnectionError", "cut off")
    assert row["stream_tokens"] == 3
    assert row["time_to_first_token_s"] >= 0


def test_streamed_and_whole_answers_in_one_table() -> None:
    made = traced()
    list(GenericFakeChatModel(messages=iter([AIMessage("a b")])).stream("q", made.config))
    ScriptedChatModel().invoke("q", made.config)
    streamed, whole = rows(made.tables, "on_llm_end")
    assert "stream_tokens" in streamed
    assert "stream_tokens" not in whole
    column = made.tables.actions.columns.index("stream_tokens")
    assert made.tables.actions.rows[-1][column] is None


# -- errors --------------------------------------------------------------------------------


class BrokenError(RuntimeError):
    """An application's own error."""


def fail(error: BaseException) -> Any:
    def work(_: Any) -> Any:
        raise error

    return RunnableLambda(work).with_config(run_name="work")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("boom"), "ValueError", "boom"),
        (KeyError("k"), "KeyError", "'k'"),
        (BrokenError("own"), f"{__name__}.BrokenError", "own"),
        (json.JSONDecodeError("m", "d", 0), "json.decoder.JSONDecodeError", "m: line 1"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (SystemExit(3), "SystemExit", "3"),
        (GeneratorExit(), "GeneratorExit", ""),
        (asyncio.CancelledError("stop"), "asyncio.exceptions.CancelledError", "stop"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_have_their_canonical_type(
    tracing_rows: Traced, error: BaseException, kind: str, message: str
) -> None:
    with pytest.raises(type(error)):
        fail(error).invoke("q", tracing_rows.config)
    (row,) = rows(tracing_rows.tables, "on_chain_error")
    assert row["error_type"] == kind
    assert str(row["error_message"]).startswith(message)
    assert (row["name"], row["errors"]) == ("work", 1)
    assert runs(tracing_rows.tables, "status") == ["error"]
    assert runs(tracing_rows.tables, "error_type") == [kind]


@pytest.fixture
def tracing_rows() -> Traced:
    return traced()


def test_errors_of_members_of_a_batch(tracing_rows: Traced) -> None:
    def inverse(x: int) -> float:
        return 1 / x

    chain = RunnableLambda(inverse).with_config(run_name="inverse")
    chain.batch([1, 0, 2, 0], tracing_rows.config, return_exceptions=True)
    found = rows(tracing_rows.tables, "on_chain_error")
    assert [row["error_type"] for row in found] == ["ZeroDivisionError"] * 2
    assert [row["error_message"] for row in found] == ["division by zero"] * 2
    ends = rows(tracing_rows.tables, "on_chain_end")
    assert sorted(str(row["outputs"]) for row in ends) == ["0.5", "1.0"]


def test_errors_of_models_and_tools(tracing_rows: Traced) -> None:
    @tool
    def jam(x: str) -> str:
        """Jams."""
        raise BrokenError(x)

    with pytest.raises(BrokenError):
        jam.invoke("stuck", tracing_rows.config)
    with pytest.raises(ValueError, match="no answer"):
        ScriptedChatModel(fails_on=["q"]).invoke("q", tracing_rows.config)
    (tool_row,) = rows(tracing_rows.tables, "on_tool_error")
    (model_row,) = rows(tracing_rows.tables, "on_llm_error")
    assert (tool_row["error_type"], tool_row["error_message"]) == (
        f"{__name__}.BrokenError",
        "stuck",
    )
    assert (model_row["error_type"], model_row["error_message"]) == ("ValueError", "no answer to q")


def test_a_group_of_errors_says_its_members(tracing_rows: Traced) -> None:
    class Group(Exception):  # noqa: N818 - as Python 3.11's own is called
        exceptions = (ValueError("a"), KeyError("b"))

    with pytest.raises(Group):
        fail(Group("two")).invoke("q", tracing_rows.config)
    (row,) = rows(tracing_rows.tables, "on_chain_error")
    assert row["error_message"] == "two: ValueError: a; KeyError: 'b'"


# -- interrupts ----------------------------------------------------------------------------


def event(name: str, seq: int, value: str) -> SpanEvent:
    said = {names.EVENT_SEQ: seq, f"{name}.value": value}
    return SpanEvent(name, NOON + seq * SECOND, said)


def interrupted() -> list[Any]:
    asked = replace(
        run_record("chain", 1, 4, name="graph", langchain__chain__input="go"),
        events=(event(names.EVENT_INTERRUPT, 3, '{"question":"sure?"}'),),
    )
    resumed = replace(
        run_record("chain", 5, 8, name="graph", langchain__chain__output="done"),
        events=(event(names.EVENT_RESUME, 6, "yes"),),
    )
    return [asked, resumed]


def test_interrupts_and_resumptions_are_rows_that_raise_the_step_only() -> None:
    tables = build_tables(interrupted())
    assert [record["action"] for record in tables.records] == [
        "on_chain_start",
        "on_interrupt",
        "on_chain_end",
        "on_chain_start",
        "on_resume",
        "on_chain_end",
    ]
    assert [record["step"] for record in tables.records] == [1, 2, 3, 4, 5, 6]
    before, interrupt, _, start, resume, _ = tables.records
    others = [counter for counter in COUNTERS if counter != "step"]
    assert [interrupt[each] for each in others] == [before[each] for each in others]
    assert [resume[each] for each in others] == [start[each] for each in others]
    assert (interrupt["data"], resume["data"]) == ('{"question":"sure?"}', "yes")
    assert interrupt["errors"] == 0


def test_they_survive_an_archive_and_are_shown_live() -> None:
    spans = interrupted()
    lines = to_otlp_json_lines(spans)
    read = [record for line in lines for record in from_otlp_json(line)]
    assert build_tables(read) == build_tables(spans)
    live = LiveRecords()
    shown: list[Any] = []
    for span in spans:
        shown.extend(live.started(replace(span, end_time_ns=None, events=())))
        shown.extend(live.ended(span))
    assert shown == list(build_tables(spans).records)


def test_they_may_find_no_room_as_events() -> None:
    entry = {
        "name": names.EVENT_INTERRUPT,
        "time_ns": NOON + 2 * SECOND,
        "attributes": {names.EVENT_SEQ: 2, names.EVENT_INTERRUPT_VALUE: "sure?"},
    }
    span = run_record("chain", 1, 3, langchain__events_overflow=json.dumps([entry]))
    assert [row["data"] for row in rows(build_tables([span]), "on_interrupt")] == ["sure?"]


# -- what was cut --------------------------------------------------------------------------


def test_values_cut_to_our_own_limit_are_told() -> None:
    cut = with_attributes(
        call("q", 1, 2), langchain__truncated=(names.INPUT_MESSAGES, names.OUTPUT_MESSAGES)
    )
    whole = call("q", 3, 4)
    short = replace(call("q", 5, 6), dropped_attributes=2)
    both = replace(cut, span_id="f" * 16, dropped_events=1)
    lost = runs(build_tables([cut, whole, short]), "lost")
    assert lost == [
        "cut: gen_ai.input.messages gen_ai.output.messages",
        None,
        "2 attributes",
    ]
    (of_both,) = runs(build_tables([both]), "lost")
    assert of_both == "1 events, cut: gen_ai.input.messages gen_ai.output.messages"
