"""What a session's tables say of traces that are not whole in it, and which spans came too late."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from clearml_otel.records import SessionTables, Table
from clearml_otel.records.actions import Cell
from clearml_otel.spans import SpanRecord

COLUMN: Final = "published_because"


def with_incomplete(tables: SessionTables, incomplete: Mapping[str, str]) -> SessionTables:
    """The tables, with a column in the runs table where a trace is not whole.

    It stands on the trace's top runs: those whose parent is not in the table.

    Args:
        tables: those of one session.
        incomplete: of each trace that is not whole, why it is there all the same.
    """
    runs = tables.runs
    trace, own, parent = map(runs.columns.index, ("trace_id", "run_id", "parent_run_id"))
    known = {row[own] for row in runs.rows}
    notes: list[Cell] = [
        incomplete.get(str(row[trace])) if row[parent] not in known else None for row in runs.rows
    ]
    if not any(notes):
        return tables
    rows = tuple((*row, note) for row, note in zip(runs.rows, notes, strict=True))
    return replace(tables, runs=Table((*runs.columns, COLUMN), rows))


def unplaced(spans: Sequence[SpanRecord], traces: Collection[str]) -> list[SpanRecord]:
    """Spans that hang below others that are not among them.

    Below a remote parent, or none, a span has its place: it is an entry of the trace.

    Args:
        spans: all that there is.
        traces: the ids of the traces that are looked at.
    """
    if not traces:
        return []
    known = {(span.trace_id, span.span_id): span for span in spans if span.trace_id in traces}
    placed: dict[tuple[str, str], bool] = {}
    for start in known:
        chain = [start]
        while (verdict := placed.get(chain[-1])) is None:
            span = known.get(chain[-1])
            if span is None or len(chain) > len(known):
                # a parent that is not there, or a circle
                verdict = False
                break
            if span.parent_span_id is None or span.parent_is_remote:
                verdict = True
                break
            chain.append((span.trace_id, span.parent_span_id))
        placed.update(dict.fromkeys(chain, verdict))
    return [span for key, span in known.items() if not placed[key]]
