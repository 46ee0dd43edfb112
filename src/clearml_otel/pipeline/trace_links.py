"""Links from the runs table to the same traces in another tracing backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clearml_otel.records import SessionTables, Table

COLUMN: Final = "trace_url"


def with_trace_urls(tables: SessionTables, template: str) -> SessionTables:
    """The tables, with a column of links where a template is given.

    Args:
        tables: those of one session.
        template: a URL with ``{trace_id}`` in it; nothing else in it is replaced. Empty for none.
    """
    if not template:
        return tables
    runs = tables.runs
    place = runs.columns.index("trace_id")
    rows = tuple((*row, template.replace("{trace_id}", str(row[place]))) for row in runs.rows)
    return replace(tables, runs=Table((*runs.columns, COLUMN), rows))
