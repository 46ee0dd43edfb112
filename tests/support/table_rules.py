"""What holds for the tables of every program, whatever it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from clearml_otel import attributes as names
from clearml_otel.records import SessionTables
from clearml_otel.spans import SpanRecord
from support.witness import Call

_RAISES = {
    "on_llm_start": ("starts", "llm_starts"),
    "on_llm_end": ("ends", "llm_ends"),
    "on_llm_error": ("errors",),
    "on_chain_start": ("starts", "chain_starts"),
    "on_chain_end": ("ends", "chain_ends"),
    "on_chain_error": ("errors",),
    "on_tool_start": ("starts", "tool_starts"),
    "on_tool_end": ("ends", "tool_ends"),
    "on_tool_error": ("errors",),
    "on_retriever_start": ("starts",),
    "on_retriever_end": ("ends",),
    "on_retriever_error": ("errors",),
    "on_text": ("text_ctr",),
    "on_agent_action": ("starts", "tool_starts"),
    "on_agent_finish": ("ends", "agent_ends"),
    "on_retry": (),
    "on_custom_event": (),
    "on_interrupt": (),
    "on_resume": (),
}
# LangGraph's pauses and resumptions are no callbacks of LangChain's
_NO_CALLS = frozenset({"on_interrupt", "on_resume"})
_COUNTERS = (
    "starts",
    "ends",
    "errors",
    "text_ctr",
    "chain_starts",
    "chain_ends",
    "llm_starts",
    "llm_ends",
    "tool_starts",
    "tool_ends",
    "agent_ends",
)


def assert_sound(spans: Sequence[SpanRecord], tables: SessionTables) -> None:
    """One span a run, in its parent's trace; steps and counters as the page defines them."""
    runs = [span for span in spans if names.RUN_ID in span.attributes]
    by_id = {str(span.attributes[names.RUN_ID]): span for span in runs}
    assert len(by_id) == len(runs) == len(tables.runs.rows)
    for span in runs:
        parent = by_id.get(str(span.attributes.get(names.RUN_PARENT_ID)))
        if parent is not None:
            assert span.trace_id == parent.trace_id
            assert _run_above(span, spans) == parent.span_id
        assert span.dropped_attributes == span.dropped_events == 0
    records = tables.records
    steps = [step for step, _ in groupby(record["step"] for record in records)]
    assert steps == list(range(1, len(steps) + 1))
    _assert_recounted(records)
    for row in _rows(tables.runs):
        if row["start_step"] is not None and row["end_step"] is not None:
            assert row["start_step"] < row["end_step"]


def _run_above(span: SpanRecord, spans: Sequence[SpanRecord]) -> str | None:
    """The nearest run's span above; the application's own spans may be in between."""
    others = {each.span_id: each for each in spans if names.RUN_ID not in each.attributes}
    above = span.parent_span_id
    while above in others:
        above = others[above].parent_span_id
    return above


def _assert_recounted(records: Iterable[dict[str, Any]]) -> None:
    counted: Counter[str] = Counter()
    for _, group in groupby(records, key=lambda record: record["step"]):
        members = list(group)
        counted.update(_RAISES[members[0]["action"]])
        for record in members:
            assert record["action"] == members[0]["action"]
            assert {name: record[name] for name in _COUNTERS} == {
                name: counted[name] for name in _COUNTERS
            }


def assert_as_heard(heard: Sequence[Call], tables: SessionTables) -> None:
    """The records are the callbacks that LangChain made, each run's under its parent."""
    heard = _first_ends(heard)
    found = [record["action"] for record in tables.records if record["action"] not in _NO_CALLS]
    expected = [call.action for call in heard for _ in range(call.rows)]
    if len({call.thread for call in heard}) == 1:
        assert found == expected
    else:
        # handlers of one callback are called one after the other, other threads in between
        assert Counter(found) == Counter(expected)
    starts = {call.run_id: call for call in heard if call.starts}
    ends = {call.run_id: call for call in heard if call.ends}
    rows = {row["run_id"]: row for row in _rows(tables.runs)}
    assert rows.keys() == starts.keys() | ends.keys()
    at: dict[int, set[str]] = {}
    for record in tables.records:
        at.setdefault(record["step"], set()).add(str(record["action"]))
    for run_id, row in rows.items():
        for calls, column in ((starts, "start_step"), (ends, "end_step")):
            call = calls.get(run_id)
            assert at.get(row[column]) == (call and {call.action})
            assert call is None or call.parent_run_id == row["parent_run_id"]


def _first_ends(heard: Sequence[Call]) -> list[Call]:
    """Without the later ones of several ends of a run, which LangChain sends for some streams."""
    ended: set[str] = set()
    kept: list[Call] = []
    for call in heard:
        if not (call.ends and call.run_id in ended):
            kept.append(call)
        if call.ends:
            ended.add(call.run_id)
    return kept


def _rows(table: Any) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
