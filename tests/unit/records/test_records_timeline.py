"""The newest traces as bars: whole, children below their parents, in seconds of their trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clearml_otel.attributes import RUN_PARENT_ID
from clearml_otel.records import build_tables
from clearml_otel.records.timeline import Timeline, timeline
from clearml_otel.spans import SpanRecord
from support.run_records import run_record, with_attributes


def below(parent: SpanRecord, *args: Any, **keywords: Any) -> SpanRecord:
    child = run_record(*args, **keywords)
    run_id = parent.attributes["langchain.run.id"]
    child = with_attributes(child, **{RUN_PARENT_ID: run_id})
    return replace(child, trace_id=parent.trace_id, parent_span_id=parent.span_id)


def outline(line: Timeline) -> list[tuple[str, int, float]]:
    return [(bar.run["name"], bar.depth, bar.start_s) for bar in line.bars]


def drawn(*spans: SpanRecord, most: int = 300) -> Timeline:
    return timeline(build_tables(spans).runs, most)


def test_children_stand_below_their_parents_in_the_order_of_their_starts() -> None:
    root = run_record("chain", 1, 10, name="root")
    first = below(root, "chain", 2, 5, name="first")
    second = below(root, "tool", 6, 9, name="second")
    leaf = below(first, "llm", 3, 4, name="leaf")
    line = drawn(second, leaf, root, first)
    assert outline(line) == [
        ("root", 0, 0.0),
        ("first", 1, 1.0),
        ("leaf", 2, 2.0),
        ("second", 1, 5.0),
    ]
    assert (line.traces, line.all_traces, line.left_out) == (1, 1, 0)


def test_the_newest_trace_comes_first_and_each_begins_at_zero() -> None:
    old = run_record("chain", 1, 2, name="old", trace=1)
    new = run_record("chain", 5, 6, name="new", trace=2)
    assert outline(drawn(old, new)) == [("new", 0, 0.0), ("old", 0, 0.0)]


def test_only_whole_traces_are_drawn() -> None:
    small = [run_record("chain", n, trace=3, name="small") for n in (20, 22)]
    large = [run_record("chain", n, trace=2, name="large") for n in (10, 12)]
    line = drawn(*small, *large, run_record("chain", 1, trace=1), most=3)
    assert [name for name, _, _ in outline(line)] == ["small", "small"]
    assert (line.traces, line.all_traces, line.left_out) == (1, 3, 0)


def test_of_one_that_is_too_large_the_first_runs() -> None:
    line = drawn(*(run_record("chain", 2 * n, name=f"r{n}") for n in range(8)), most=3)
    assert [name for name, _, _ in outline(line)] == ["r0", "r1", "r2"]
    assert (line.traces, line.left_out) == (1, 5)


def test_parents_that_are_missing_or_in_a_circle_lose_no_run_and_never_hang() -> None:
    orphan = with_attributes(run_record("tool", 1, name="orphan"), **{RUN_PARENT_ID: "gone"})
    own = run_record("chain", 3, name="own")
    circle = with_attributes(own, **{RUN_PARENT_ID: own.attributes["langchain.run.id"]})
    assert [name for name, _, _ in outline(drawn(orphan, circle))] == ["orphan", "own"]


def test_without_runs_there_is_nothing() -> None:
    assert drawn() == Timeline((), 0, 0)
