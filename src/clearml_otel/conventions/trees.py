"""The runs of many spans, each counted once and with its parent."""

from __future__ import annotations

from collections.abc import Sequence

from clearml_otel import attributes as names
from clearml_otel.conventions.dispatch import read_run
from clearml_otel.conventions.doubles import (
    SpanKey,
    ancestors,
    counted_for,
    key_of,
    with_doubles_marked,
)
from clearml_otel.conventions.run import Run
from clearml_otel.spans import SpanRecord


def read_runs(spans: Sequence[SpanRecord]) -> list[Run]:
    """The runs that spans stand for, in the order of the spans.

    A span of another instrumentation tells no parent run: it is the nearest span above it that is a
    run. One of ours keeps the parent that LangChain told.

    Args:
        spans: each once; of any traces and processes.
    """
    marked = with_doubles_marked(spans)
    runs = [run for span in marked if (run := read_run(span)) is not None]
    if all(run.span.scope_name == names.SCOPE_NAME for run in runs):
        return runs
    by_key = {key_of(run.span): run for run in runs}
    parents = {key_of(span): span.parent_span_id for span in marked}
    stand_ins = {
        key_of(span): by_key.get(counted)
        for span in marked
        if (counted := counted_for(span)) is not None
    }

    def above(key: SpanKey) -> Run | None:
        for ancestor in ancestors(key, parents):
            run = by_key.get(ancestor) or stand_ins.get(ancestor)
            if run is not None and run is not by_key[key]:
                return run
        return None

    return [_with_parent(run, above(key_of(run.span))) for run in runs]


def _with_parent(run: Run, above: Run | None) -> Run:
    if run.parent_run_id is not None or above is None:
        return run
    ours = names.SCOPE_NAME
    if run.span.scope_name == ours and above.span.scope_name == ours:
        return run  # LangChain says that it has none
    return run._replace(parent_run_id=above.run_id)
