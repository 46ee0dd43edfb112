"""What the page prints of a session: each record, then both tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearml_otel.records import SessionTables, Table


def console_lines(tables: SessionTables, already: int = 0) -> list[str]:
    """Lines for ClearML's console.

    Args:
        tables: the session's tables.
        already: how many records an earlier publication of the session logged.
    """
    records = [repr(record) for record in tables.records[already:]]
    return [*records, tables_text(tables)] if records else []


def tables_text(tables: SessionTables) -> str:
    """Both tables as the page prints them at the end of a scenario."""
    frames: Mapping[str, Any] = {
        "action_records": _frame(tables.actions),
        "session_analysis": _frame(tables.session),
    }
    return str(frames)


def _frame(table: Table) -> Any:
    # half a second to import, and only needed by those who want the tables printed
    import pandas as pd

    # a key that is left out is shown as NaN, as on the page
    rows = [
        {name: cell for name, cell in zip(table.columns, row, strict=True) if cell is not None}
        for row in table.rows
    ]
    return pd.DataFrame(rows, columns=list(table.columns))
