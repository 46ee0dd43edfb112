"""Whatever tree of runs a program makes, there is one span a run and one tree a root."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from clearml_otel.records import build_tables
from support.run_trees import Node, Wanted, arun, run, trees, wanted
from support.shapes import Seen, outcome, shapes_in_memory

# no shrinking: it takes minutes, and the trees are small
BOUNDED = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, phases=[Phase.generate]
)


@BOUNDED
@given(trees(("ok", "ok", "error")))
def test_any_tree_of_sync_runs(tree: Node) -> None:
    assert_recorded(shapes_in_memory()(lambda: str(run(tree))), [tree])


@BOUNDED
@given(trees(("ok", "ok", "error", "cancelled")))
def test_any_tree_of_async_runs(tree: Node) -> None:
    async def program() -> str:
        return str(await arun(tree))

    assert_recorded(shapes_in_memory()(program), [tree])


@BOUNDED
@given(st.lists(trees(("ok", "error")), min_size=2, max_size=4))
def test_any_forest(roots: list[Node]) -> None:
    """Several roots in a row are several traces of one session."""

    def program() -> str:
        return repr([str(outcome(run, root)) for root in roots])

    assert_recorded(shapes_in_memory()(program), roots)


def assert_recorded(seen: Seen, roots: list[Node]) -> None:
    names = {row["run_id"]: row["name"] for row in seen.runs}
    found = Counter(
        Wanted(row["name"], names.get(row["parent_run_id"]), row["status"]) for row in seen.runs
    )
    runs = [each for root in roots for each in wanted(root)]
    assert found == Counter(runs)
    assert len({span.trace_id for span in seen.spans}) == len(roots)
    assert len(seen.rows("on_custom_event")) == sum(each.notes for each in runs)
    shuffled = list(seen.spans)
    random.Random(len(shuffled)).shuffle(shuffled)
    assert build_tables(shuffled) == seen.tables
