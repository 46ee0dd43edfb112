"""The page's printed records and tables, from spans alone."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.outputs import Generation, LLMResult

from clearml_otel.readability import measure
from clearml_otel.records import SessionTables, Table, build_tables
from clearml_otel.records.columns import ACTION, COUNTERS, SESSION
from support.examples import examples
from support.scripted_models import ScriptedLLM
from support.traced import Traced, traced

GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "seed_golden.json").read_text())
FIRST, SECOND = GOLDEN["inputs"]["scenario1"], GOLDEN["inputs"]["scenario2"]


def dicts(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


class OpenAI(ScriptedLLM):
    """Named as the page's model, for the `name` column."""


def first_scenario() -> Traced:
    made = traced(measure=measure)
    llm = OpenAI(
        answers=dict(
            zip(
                FIRST["prompts_per_generate"],
                ([text] for text in FIRST["texts_per_generate"]),
                strict=True,
            )
        ),
        usage=FIRST["token_usage_per_generate"],
        model=FIRST["model_name"],
        info={"finish_reason": "stop", "logprobs": None},
    )
    for _ in range(FIRST["generate_calls"]):
        llm.generate(FIRST["prompts_per_generate"], callbacks=[made.handler])
    return made


def second_scenario() -> Traced:
    """The agent's callbacks in the page's order, with the page's own texts."""
    made = traced(measure=measure)
    handler = made.handler
    agent = uuid4()
    ids = count(1)
    open_ids: dict[str, UUID] = {}
    handler.on_chain_start(
        {"id": ["langchain", "AgentExecutor"]}, {"input": SECOND["input"]}, run_id=agent
    )
    calls = iter(zip(SECOND["llm_texts"], SECOND["token_usages"], strict=True))
    for entry in GOLDEN["scenario2"]["agent_records"]:
        record = entry["record"]
        action = record["action"]
        child = {"parent_run_id": agent}
        if action == "on_llm_start":
            open_ids["llm"] = UUID(int=next(ids))
            params = {"model_name": FIRST["model_name"], "_type": "openai"}
            handler.on_llm_start(
                {"id": ["langchain", "OpenAI"]},
                [record["prompts"]],
                run_id=open_ids["llm"],
                invocation_params=params,
                **child,
            )
        elif action == "on_llm_end":
            text, usage = next(calls)
            info = {"finish_reason": "stop", "logprobs": None}
            response = LLMResult(
                generations=[[Generation(text=text, generation_info=info)]],
                llm_output={"token_usage": usage, "model_name": FIRST["model_name"]},
            )
            handler.on_llm_end(response, run_id=open_ids["llm"], **child)
        elif action == "on_tool_start":
            open_ids["tool"] = UUID(int=next(ids))
            serialized = {"name": record["name"], "description": record["description"]}
            handler.on_tool_start(serialized, record["input_str"], run_id=open_ids["tool"], **child)
        elif action == "on_tool_end":
            handler.on_tool_end(record["output"], run_id=open_ids["tool"], **child)
        elif action == "on_agent_action":
            step = AgentAction(record["tool"], record["tool_input"], record["log"])
            handler.on_agent_action(step, run_id=agent)
        elif action == "on_agent_finish":
            finish = AgentFinish({"output": record["output"]}, record["log"])
            handler.on_agent_finish(finish, run_id=agent)
    handler.on_chain_end({"output": SECOND["answer"]}, run_id=agent)
    return made


def test_the_records_of_the_llm() -> None:
    golden = GOLDEN["scenario1"]
    tables = first_scenario().tables
    assert tables.actions.columns == tuple(golden["action_columns"])
    assert dicts(tables.actions) == [row["full"] for row in golden["action_rows"]]
    assert tables.session.columns == tuple(golden["session_columns"])
    assert dicts(tables.session) == [row["full"] for row in golden["session_rows"]]


def test_the_printed_records_of_the_llm() -> None:
    printed = GOLDEN["scenario1"]["printed_records"]
    found = [repr(record) for record in first_scenario().tables.records]
    # the page prints the second call's records
    assert found[12:] == [
        repr({key: entry["record"][key] for key in entry["keys_in_order"]}) for entry in printed
    ]


def test_the_records_of_the_agent() -> None:
    golden = GOLDEN["scenario2"]
    tables = second_scenario().tables
    assert [repr(record) for record in tables.records] == [
        repr({key: entry["record"][key] for key in entry["keys_in_order"]})
        for entry in golden["agent_records"]
    ]
    assert tables.actions.columns == tuple(golden["action_columns"])
    assert len(tables.actions.rows) == 15
    assert tables.session.columns == tuple(golden["session_columns"])
    assert dicts(tables.session) == [row["full"] for row in golden["session_rows"]]


def test_nothing_makes_empty_tables_with_the_pages_columns() -> None:
    tables = build_tables([])
    assert tables.session == Table(SESSION, ())
    assert tables.actions.rows == ()
    assert tables.runs.rows == ()
    assert set(tables.actions.columns) <= set(ACTION)
    assert set(tables.actions.columns) >= {"action", *COUNTERS}
    assert tables.records == ()


# -- not tuned to it ---------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
counts = st.integers(0, 10_000)


def check_law(tables: SessionTables, k: int, m: int, prompts: list[str], usage: Any) -> None:
    """The issue's law for m generate calls of k prompts each."""
    rows = dicts(tables.actions)
    assert len(rows) == 2 * k * m
    for call in range(1, m + 1):
        starts = rows[2 * k * (call - 1) :][:k]
        ends = rows[2 * k * (call - 1) + k :][:k]
        assert {(row["step"], row["starts"], row["ends"]) for row in starts} == {
            (2 * call - 1, call, call - 1)
        }
        assert {(row["step"], row["starts"], row["ends"]) for row in ends} == {
            (2 * call, call, call)
        }
        assert [row["prompts"] for row in starts] == prompts
        assert [row["text"] for row in ends] == [f"echo {prompt}" for prompt in prompts]
        for row in ends:
            assert row["token_usage_total_tokens"] == usage["total_tokens"]
            assert row["token_usage_prompt_tokens"] == usage["prompt_tokens"]
            assert row["token_usage_completion_tokens"] == usage["completion_tokens"]


@given(
    prompts=st.lists(texts, min_size=1, max_size=9),
    m=st.integers(1, 4),
    prompt_tokens=counts,
    completion_tokens=counts,
)
@examples(30)
def test_any_prompts_and_calls(
    prompts: list[str], m: int, prompt_tokens: int, completion_tokens: int
) -> None:
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    made = traced()
    for _ in range(m):
        ScriptedLLM(usage=usage).generate(prompts, callbacks=[made.handler])
    check_law(made.tables, len(prompts), m, prompts, usage)


@pytest.mark.parametrize("call", range(2))
def test_each_generate_call_has_its_own_usage(call: int) -> None:
    made = traced()
    for total in (10, 20):
        usage = {"prompt_tokens": total - 1, "completion_tokens": 1, "total_tokens": total}
        ScriptedLLM(usage=usage).generate(["a", "b"], callbacks=[made.handler])
    rows = [row for row in dicts(made.tables.actions) if row["action"] == "on_llm_end"]
    assert [row["token_usage_total_tokens"] for row in rows] == [10, 10, 20, 20]
