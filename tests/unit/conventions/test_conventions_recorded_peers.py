"""Recorded spans of real peers as runs; `support.peers.fixtures` recorded them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from clearml_otel.records import build_tables, group_sessions
from support.peers.facts import facts_of, rows
from support.peers.fixtures import recorded
from support.peers.scenarios import CHAT_MODEL, SESSION

EVERYTHING = ("openinference", "traceloop", "langfuse", "mlflow", "langsmith", "genai")
PEERS = (*EVERYTHING, "genai_default", "openinference_redacted", "openai")
FRAMEWORKS = ("pydantic_ai", "openai_agents_openinference", "openai_agents_genai")
PROMPTS = {
    "System: You are brief.\nHuman: Where is my parcel?": 1,
    "Human: Tell me the tides of Bergen": 1,
}
ANSWER = "Your parcel left the harbour this morning and arrives on Friday."


def runs_of(peer: str) -> list[dict[str, Any]]:
    return rows(build_tables(recorded(peer)).runs)


@pytest.mark.parametrize("peer", EVERYTHING)
def test_what_they_all_tell(peer: str) -> None:
    facts = facts_of(recorded(peer))
    assert facts["model calls"] == {"paired": 2}
    assert facts["prompts"] == PROMPTS
    assert set(facts["answers"]) == {(next(iter(PROMPTS)), ANSWER)}
    assert facts["tokens"] == {(9, 11): 1, (7, 0): 1}
    assert facts["models"] == {CHAT_MODEL: 2}
    assert facts["tools"] == {"broken": 1}
    assert facts["tool arguments"] == {"Bergen": 1}
    assert facts["errors"]["tool", "no tides known for Bergen"] == 1
    assert facts["sessions"] == {SESSION: 1}
    assert {row["error_type"] for row in runs_of(peer)} <= {None, "LookupError", "_OTHER"}


@pytest.mark.parametrize("peer", PEERS)
def test_parents_are_runs_of_the_table(peer: str) -> None:
    found = runs_of(peer)
    ids = {row["run_id"] for row in found}
    assert {row["parent_run_id"] for row in found} - {None} <= ids
    assert all(row["run_id"] == row["span_id"] for row in found)


@pytest.mark.parametrize("peer", [*PEERS, *FRAMEWORKS])
def test_arrival_never_matters(peer: str) -> None:
    spans = recorded(peer)
    shuffled = random.Random(7).sample(spans, len(spans))
    assert build_tables(shuffled) == build_tables(spans)
    assert build_tables(spans[::-1]) == build_tables(spans)


@pytest.mark.parametrize("peer", ["genai_default", "openinference_redacted"])
def test_hidden_content_gives_rows_without_text(peer: str) -> None:
    tables = build_tables(recorded(peer))
    session = rows(tables.session)
    assert [(row["prompts"], row["output"]) for row in session] == [(None, None)] * 2
    assert {row["token_usage_total_tokens"] for row in session} == {20, 7}
    assert "__REDACTED__" not in repr(tables)


@pytest.mark.parametrize("peer", FRAMEWORKS)
def test_other_frameworks(peer: str) -> None:
    facts = facts_of(recorded(peer))
    assert facts["model calls"] == {"paired": 2}
    assert facts["models"] == {CHAT_MODEL: 2}
    assert facts["tools"] == {"weather": 1, "population": 1}
    assert facts["tool arguments"] == {'{"city": "Oslo", "days": 3}': 1, "Oslo": 1}
    assert facts["tool outputs"] == {
        "Oslo: sun and wind for 3 days": 1,
        '{"city": "Oslo", "people": 544000}': 1,
    }
    assert sum(facts["answers"].values()) == 1
    assert any(name == "guide" for name in facts["chains"])
    # tokens are those of the model calls, not again those of the agent around them
    told = [row for row in runs_of(peer) if row["total_tokens"] or row["input_tokens"]]
    assert {row["type"] for row in told} == {"llm"}


def test_a_session_is_named_by_its_convention() -> None:
    keys = group_sessions(recorded("openai_agents_openinference"))
    assert [key.name for key in keys] == [SESSION]
