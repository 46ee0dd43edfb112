"""The tables inside plotly plots, as columns and rows."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from .store import Document


class Table(NamedTuple):
    """A table as it is read: names of the columns, and one list per row."""

    columns: list[str]
    rows: list[list[Any]]


def parse_table(event: Document) -> Table | None:
    """The table of a plot event, or None for any other plot.

    A header is one text per column, or a list of texts (a DataFrame's), of which the first counts.
    """
    data = json.loads(event.get("plot_str") or "{}").get("data") or []
    trace = next((item for item in data if item.get("type") == "table"), None)
    if trace is None:
        return None
    header = trace.get("header", {}).get("values", [])
    columns = [name[0] if isinstance(name, list) else name for name in header]
    cells = trace.get("cells", {}).get("values", [])
    return Table(columns, [list(row) for row in zip(*cells, strict=True)])
