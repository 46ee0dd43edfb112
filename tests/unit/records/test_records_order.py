"""Rows stand in the order of the callbacks, whatever way the spans came."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_otel.records import SessionTables, build_tables
from clearml_otel.spans import SpanRecord
from clearml_otel.spans.otlp_json import from_otlp_json, to_otlp_json_lines
from support.examples import examples
from support.run_records import (
    NOON,
    SECOND,
    answered,
    asked,
    call,
    run_record,
    text_event,
    with_attributes,
)


def column(tables: SessionTables, name: str) -> list[Any]:
    return [record.get(name) for record in tables.records]


def told(tables: SessionTables) -> list[str]:
    """Each record in a word: what started or ended, and with what text."""
    return [
        f"{record['action']}:{record.get('prompts') or record.get('text') or record.get('name')}"
        for record in tables.records
    ]


def batch(prompts: list[str], starts: list[int], ends: list[int], **keywords: Any) -> list[Any]:
    return [
        call(
            prompt,
            start,
            end,
            langchain__batch__id="b1",
            langchain__batch__index=index,
            langchain__batch__size=len(prompts),
            **keywords,
        )
        for index, (prompt, start, end) in enumerate(zip(prompts, starts, ends, strict=True))
    ]


def session() -> list[SpanRecord]:
    """A bit of everything: a batch, nested runs, points, an error, a second process, strangers."""
    chain = run_record("chain", 7, 14, name="Outer", langchain__chain__input="q")
    chain = replace(chain, events=(text_event(8, "eight"), text_event(13, "thirteen")))
    failed = run_record("tool", 9, 10, name="Tool", error__type="ValueError")
    stranger = replace(run_record("llm", 2, 3), scope_name="opentelemetry.instrumentation.httpx")
    return [
        *batch(["a", "b", "c"], [1, 2, 3], [4, 5, 6], langchain__usage__total_tokens=3),
        chain,
        failed,
        call("inner", 11, 12, trace=2),
        *(call(f"p2.{start}", start, start + 1, process="p2", trace=3) for start in (1, 3, 5)),
        run_record("retriever", 15, 16, name="Library", langchain__unfinished=True),
        run_record("llm", 17, 18, langchain__missing_start=True),
        stranger,
    ]


SESSION = session()
TABLES = build_tables(SESSION)


# -- arrival never matters ---------------------------------------------------------------


@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(SESSION), max_size=5))
@examples(60)
def test_shuffled_and_doubled_spans_give_the_same_tables(
    shuffle: random.Random, again: list[SpanRecord]
) -> None:
    spans = [*SESSION, *again]
    shuffle.shuffle(spans)
    assert build_tables(spans) == TABLES
    assert repr(build_tables(spans)) == repr(TABLES)


@given(st.randoms(use_true_random=False))
@examples(20)
def test_archived_and_split_over_files_give_the_same_tables(shuffle: random.Random) -> None:
    spans = list(SESSION)
    shuffle.shuffle(spans)
    middle = shuffle.randrange(len(spans))
    files = [to_otlp_json_lines(part) for part in (spans[:middle], spans[middle:])]
    read = [record for lines in files for line in lines for record in from_otlp_json(line)]
    assert repr(build_tables(read)) == repr(TABLES)


def test_of_two_versions_of_a_span_the_one_that_knows_most_counts() -> None:
    whole = call("q", 1, 2)
    early = replace(whole, end_time_ns=None, attributes=dict(list(whole.attributes.items())[:6]))
    for spans in ([whole, early], [early, whole]):
        assert build_tables(spans) == build_tables([whole])


# -- steps -------------------------------------------------------------------------------


def test_steps_are_unique_and_rising() -> None:
    steps = column(TABLES, "step")
    assert steps == sorted(steps)
    assert set(steps) == set(range(1, max(steps) + 1))


def test_a_batch_is_one_step_at_its_start_and_one_at_its_end() -> None:
    tables = build_tables(batch(["a", "b"], [1, 2], [3, 4]))
    assert column(tables, "step") == [1, 1, 2, 2]
    assert column(tables, "llm_starts") == [1, 1, 1, 1]
    assert told(tables) == [
        "on_llm_start:a",
        "on_llm_start:b",
        "on_llm_end:echo a",
        "on_llm_end:echo b",
    ]


def test_a_batch_torn_apart_by_other_threads_stays_together() -> None:
    others = [call("x", 2, 4), call("y", 6, 8)]
    tables = build_tables([*batch(["a", "b", "c"], [1, 3, 5], [7, 9, 10]), *others])
    assert told(tables) == [
        "on_llm_start:a",
        "on_llm_start:b",
        "on_llm_start:c",
        "on_llm_start:x",
        "on_llm_end:echo x",
        "on_llm_start:y",
        "on_llm_end:echo a",
        "on_llm_end:echo b",
        "on_llm_end:echo c",
        "on_llm_end:echo y",
    ]
    assert column(tables, "step") == [1, 1, 1, 2, 3, 4, 5, 5, 5, 6]


def test_the_order_in_a_batch_is_that_of_its_prompts() -> None:
    tables = build_tables(batch(["a", "b", "c"], [3, 1, 2], [6, 5, 4]))
    assert told(tables)[:3] == ["on_llm_start:a", "on_llm_start:b", "on_llm_start:c"]
    assert told(tables)[3:] == ["on_llm_end:echo a", "on_llm_end:echo b", "on_llm_end:echo c"]


def test_no_member_of_a_batch_ends_before_it_started() -> None:
    # a batch whose prompts are worked off one after the other
    tables = build_tables(batch(["a", "b"], [1, 3], [2, 4]))
    seen: set[str] = set()
    for word in told(tables):
        action, _, text = word.partition(":")
        if action == "on_llm_start":
            seen.add(text)
        else:
            assert text.removeprefix("echo ") in seen


def test_an_error_in_one_member_stands_alone() -> None:
    members = batch(["a", "b", "c"], [1, 2, 3], [4, 5, 6])
    members[1] = with_attributes(members[1], error__type="ValueError")
    tables = build_tables(members)
    assert column(tables, "step") == [1, 1, 1, 2, 2, 3]
    assert column(tables, "errors")[-1] == 1
    assert told(tables)[3:] == ["on_llm_end:echo a", "on_llm_end:echo c", "on_llm_error:Echo"]
    rows = [dict(zip(tables.session.columns, row, strict=True)) for row in tables.session.rows]
    assert [(row["prompts"], row["output"]) for row in rows] == [
        ("a", "echo a"),
        ("b", None),
        ("c", "echo c"),
    ]


# -- processes and clocks ----------------------------------------------------------------


def test_processes_are_merged_by_time() -> None:
    spans = [call(f"one {n}", n, n + 1, process="one") for n in (1, 5)]
    spans += [call(f"two {n}", n, n + 1, process="two", trace=2) for n in (3, 7)]
    assert [word for word in told(build_tables(spans)) if "start" in word] == [
        "on_llm_start:one 1",
        "on_llm_start:two 3",
        "on_llm_start:one 5",
        "on_llm_start:two 7",
    ]


def test_equal_numbers_of_two_processes_do_not_mix() -> None:
    spans = [call(name, 1, 2, process=name) for name in ("one", "two")]
    tables = build_tables(spans)
    assert column(tables, "step") == [1, 2, 3, 4]
    assert len(tables.session.rows) == 2


def test_a_clock_set_back_keeps_a_processes_own_order() -> None:
    early = [call(f"early {n}", n, n + 1) for n in (1, 3)]
    late = [call(f"late {n}", n, n + 1, clock=NOON - 3_600 * SECOND) for n in (5, 7)]
    assert [word for word in told(build_tables([*late, *early])) if "start" in word] == [
        "on_llm_start:early 1",
        "on_llm_start:early 3",
        "on_llm_start:late 5",
        "on_llm_start:late 7",
    ]


def test_a_clock_set_back_within_a_run() -> None:
    record = replace(call("q", 1, 2), end_time_ns=NOON - SECOND)
    assert told(build_tables([record])) == ["on_llm_start:q", "on_llm_end:echo q"]


# -- strangers, unfinished runs ----------------------------------------------------------


def test_spans_that_are_no_runs_make_no_rows() -> None:
    own = call("q", 1, 2)
    strangers = [
        replace(own, span_id="f" * 16, scope_name="openinference.instrumentation.langchain"),
        replace(own, span_id="e" * 16, attributes={"http.method": "GET"}),
        replace(own, span_id="d" * 16, scope_name="", attributes={}),
    ]
    assert build_tables([*strangers, own]) == build_tables([own])


def test_an_unfinished_run_has_its_start_only() -> None:
    for record in (
        replace(call("q", 1, 2), end_time_ns=None),
        call("q", 1, 2, langchain__unfinished=True),
    ):
        tables = build_tables([record])
        assert told(tables) == ["on_llm_start:q"]
        assert tables.runs.rows[0][tables.runs.columns.index("status")] == "unfinished"
        (row,) = tables.session.rows
        assert row[tables.session.columns.index("output_step")] is None


def test_an_end_without_a_start_has_its_end_only() -> None:
    tables = build_tables([call("q", 1, 2, langchain__missing_start=True)])
    assert told(tables) == ["on_llm_end:echo q"]
    (row,) = tables.session.rows
    cells = dict(zip(tables.session.columns, row, strict=True))
    assert (cells["prompt_step"], cells["output_step"], cells["output"]) == (None, 1, "echo q")
    assert "start" in str(tables.runs.rows[0][tables.runs.columns.index("lost")])


def test_what_the_span_limits_cost_is_told() -> None:
    record = replace(call("q", 1, 2), dropped_attributes=3, dropped_events=4)
    tables = build_tables([record])
    lost = tables.runs.rows[0][tables.runs.columns.index("lost")]
    assert lost == "3 attributes, 4 events"


# -- generations and content -------------------------------------------------------------


def test_several_generations_are_rows_of_one_step() -> None:
    record = with_attributes(call("q", 1, 2), gen_ai__output__messages=answered("a", "b", "c"))
    tables = build_tables([record])
    assert told(tables) == ["on_llm_start:q", "on_llm_end:a", "on_llm_end:b", "on_llm_end:c"]
    assert column(tables, "step") == [1, 2, 2, 2]
    assert column(tables, "llm_ends") == [0, 1, 1, 1]
    outputs = [row[tables.session.columns.index("output")] for row in tables.session.rows]
    assert outputs == ["a", "b", "c"]


def test_without_content_there_is_still_a_row_with_metrics() -> None:
    record = run_record("llm", 1, 2, readability__difficult_words=3)
    tables = build_tables([record])
    assert [str(row["action"]) for row in tables.records] == ["on_llm_start", "on_llm_end"]
    assert tables.records[1]["difficult_words"] == 3
    assert len(tables.session.rows) == 1


def test_without_usage_the_columns_stand_empty() -> None:
    tables = build_tables([call("q", 1, 2)])
    end = tables.records[1]
    assert end["token_usage_total_tokens"] is None
    assert "token_usage_total_tokens" in tables.actions.columns


def test_chat_runs_of_one_call_add_up() -> None:
    members = [
        with_attributes(
            record,
            gen_ai__usage__input_tokens=number,
            gen_ai__usage__output_tokens=1,
            langchain__usage__total_tokens=number + 1,
        )
        for number, record in enumerate(batch(["a", "b"], [1, 2], [3, 4]), 10)
    ]
    ends = build_tables(members).records[2:]
    assert [row["token_usage_prompt_tokens"] for row in ends] == [21, 21]
    assert [row["token_usage_total_tokens"] for row in ends] == [23, 23]


def test_an_answer_cut_by_a_length_limit_is_still_text() -> None:
    # OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT cuts the JSON
    whole = call("a long question " * 9, 1, 2)
    cut = {
        key: value[:90] if isinstance(value, str) else value
        for key, value in whole.attributes.items()
    }
    start, end = build_tables([replace(whole, attributes=cut)]).records
    assert "a long question" in str(start["prompts"])
    assert "echo" in str(end["text"])


# -- an agent's many actions -------------------------------------------------------------


def test_three_hundred_actions_of_an_agent_are_all_there() -> None:
    from uuid import uuid4

    from langchain_core.agents import AgentAction

    from support.traced import traced

    made = traced()
    agent = uuid4()
    made.handler.on_chain_start({"name": "AgentExecutor"}, {"input": "q"}, run_id=agent)
    for number in range(300):
        tool = uuid4()
        made.handler.on_agent_action(AgentAction("t", f"in {number}", "log"), run_id=agent)
        made.handler.on_tool_start({"name": "t"}, f"in {number}", run_id=tool, parent_run_id=agent)
        made.handler.on_tool_end(f"out {number}", run_id=tool)
    made.handler.on_chain_end({"output": "a"}, run_id=agent)
    tables = made.tables
    assert [row["action"] for row in tables.records] == [
        "on_chain_start",
        *["on_agent_action", "on_tool_start", "on_tool_end"] * 300,
        "on_chain_end",
    ]
    actions = [row for row in tables.records if row["action"] == "on_agent_action"]
    assert [row["tool_input"] for row in actions] == [f"in {number}" for number in range(300)]
    assert actions[-1]["tool_starts"] == 599
    assert all(row[tables.runs.columns.index("lost")] is None for row in tables.runs.rows)
    assert {span.dropped_events for span in made.records} == {0}


# -- hostile archives --------------------------------------------------------------------

VALUES: list[Any] = [
    None,
    True,
    -1,
    10**30,
    float("nan"),
    float("inf"),
    "",
    "text",
    b"bytes",
    (),
    ("a", b"x", None, 3),
    {"a": b"x"},
    "null",
    "{}",
    "[[]]",
    "[1, null]",
    "[" * 3_000,
    '{"a": NaN}',
    '[{"parts": [{"type": 3}]}]',
    '[{"role": [], "parts": [{"type": "text", "content": [1]}]}]',
    '[{"parts": [{"type": "tool_call", "arguments": {"a": 1}}, {"type": ["x"]}]}]',
    '[{"name": ["x"], "time_ns": 1, "attributes": {}}]',
    '[{"name": "langchain.text", "time_ns": "x", "attributes": {}}]',
    '[{"name": "langchain.text", "time_ns": 1, "attributes": {"langchain.seq": "x"}}]',
    '[{"difficult_words": {}}]',
]
KEYS = sorted(
    {
        "langchain.metadata.x",
        "langchain.metadata_rest",
        "langchain.tags",
        "langchain.events_overflow",
        "langchain.position",
        "langchain.start.seq",
        "langchain.end.seq",
        "langchain.batch.id",
        "langchain.batch.index",
        "langchain.batch.size",
        "langchain.run.name",
        "langchain.process.id",
        "langchain.stream.tokens",
        "langchain.generation.logprobs",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.usage.input_tokens",
        "readability.generations",
        "readability.difficult_words",
        "error.type",
    }
)


@pytest.mark.parametrize("key", KEYS)
def test_no_attribute_of_an_archive_can_break_the_tables(key: str) -> None:
    breaking: list[str] = []
    for kind in ("llm", "chat_model", "chain", "tool", "retriever"):
        for value in VALUES:
            odd = with_attributes(run_record(kind, 1, 2), **{key.replace(".", "__"): value})
            try:
                tables = build_tables([odd, call("q", 3, 4)])
            except Exception as error:
                breaking.append(f"{kind} {value!r:.60}: {type(error).__name__}: {error}")
            else:
                # the other run's rows are there in any case
                assert {"on_llm_start:q", "on_llm_end:echo q"} <= set(told(tables))
    assert breaking == []


@pytest.mark.parametrize("time_ns", [0, -1, 2**63, 2**64 - 1])
def test_no_time_of_an_archive_can_break_the_tables(time_ns: int) -> None:
    record = replace(call("q", 1, 2), start_time_ns=time_ns)
    assert told(build_tables([record])) == ["on_llm_start:q", "on_llm_end:echo q"]


def test_asked_is_what_the_handler_writes() -> None:
    """The hand-made records above look like real ones."""
    from support.scripted_models import ScriptedLLM
    from support.traced import traced

    made = traced()
    ScriptedLLM().invoke("q", made.config)
    real, hand = made.one(), call("q", 1, 2)
    for key in ("gen_ai.input.messages", "gen_ai.output.messages"):
        assert str(real.attributes[key]).replace(" ", "") == str(hand.attributes[key]).replace(
            " ", ""
        )
    # by hand in the older form, which archives have
    older = {"langchain.process.id", "langchain.start.seq", "langchain.end.seq"}
    assert set(hand.attributes) - older <= set(real.attributes)
    assert asked("q") == hand.attributes["gen_ai.input.messages"]
