"""Which late spans have no place any more, and what the runs table says of traces in part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clearml_otel.pipeline.trace_notes import COLUMN, unplaced, with_incomplete
from clearml_otel.records import build_tables
from clearml_otel.spans import SpanRecord
from support.run_records import call

TRACE = f"{1:032x}"


def below(parent: str | None, remote: bool | None = False) -> SpanRecord:
    return replace(call("q", 1), parent_span_id=parent, parent_is_remote=remote)


def test_a_span_below_one_that_is_gone_has_no_place_nor_what_is_below_it() -> None:
    root = below(None)
    child = below(root.span_id)
    orphan = below("f" * 16)
    under = below(orphan.span_id)
    entry = below("e" * 16, remote=True)
    spans = [under, orphan, child, entry, root]
    assert unplaced(spans, {TRACE}) == [under, orphan]
    assert unplaced(spans, set()) == []
    assert unplaced(spans, {f"{2:032x}"}) == []


def test_parents_in_a_circle_have_no_place() -> None:
    one, two = below(None), below(None)
    one, two = replace(one, parent_span_id=two.span_id), replace(two, parent_span_id=one.span_id)
    own = replace(one, span_id="a" * 16, parent_span_id="a" * 16)
    assert unplaced([one, two, own], {TRACE}) == [one, two, own]


def test_a_long_chain_is_looked_at_once() -> None:
    spans = [below(None)]
    for _ in range(3_000):
        spans.append(below(spans[-1].span_id))
    assert unplaced(spans[::-1], {TRACE}) == []
    assert len(unplaced(spans[:0:-1], {TRACE})) == 3_000


@pytest.mark.parametrize("said", [{}, {f"{9:032x}": "flush"}])
def test_whole_traces_make_no_column(said: dict[str, str]) -> None:
    tables = build_tables([call("q", 1)])
    assert with_incomplete(tables, said) is tables


def test_only_the_top_runs_say_it() -> None:
    root = call("root", 1, 10)
    child = replace(
        call("child", 2, 5, langchain__run__parent_id=root.attributes["langchain.run.id"]),
        parent_span_id=root.span_id,
    )
    other = call("other", 11, trace=2)
    runs = with_incomplete(build_tables([root, child, other]), {TRACE: "flush: 1 open"}).runs
    place = runs.columns.index(COLUMN)
    assert [row[place] for row in runs.rows] == ["flush: 1 open", None, None]
    # its parent has not ended: then the child is the top one
    runs = with_incomplete(build_tables([child, other]), {TRACE: "flush: 1 open"}).runs
    assert [row[place] for row in runs.rows] == ["flush: 1 open", None]
