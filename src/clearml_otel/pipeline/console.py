"""What the page prints of a session: each record, then both tables."""

from __future__ import annotations

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
    # half a second to import, and only needed by those who want the tables printed
    import pandas as pd

    def frame(table: Table) -> pd.DataFrame:
        # a key that is left out is shown as NaN, as on the page
        rows = [
            {name: cell for name, cell in zip(table.columns, row, strict=True) if cell is not None}
            for row in table.rows
        ]
        return pd.DataFrame(rows, columns=list(table.columns))

    # the page's width, whatever the output goes to
    with pd.option_context("display.max_columns", 20, "display.width", 80):
        return str(
            {
                "action_records": frame(tables.actions),
                "session_analysis": frame(tables.session),
            }
        )
