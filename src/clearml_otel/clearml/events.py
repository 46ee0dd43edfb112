"""ClearML events: tables and figures as plots, numbers as scalars, lines as console output.

Pure and deterministic: the same input gives the same bytes. Every event is valid JSON and small
enough for ClearML, which takes request bodies of up to 15,728,640 ASCII-escaped characters.
Source: ``clearml.utilities.plotly_reporter.create_plotly_table``, ``clearml.backend_api.session``.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from clearml_otel.clearml.encoding import Cell, cell, clean_text, escaped_length, figure_value
from clearml_otel.clearml.naming import metric_name
from clearml_otel.clearml.transport import Event, TransportError

MAX_PLOT = 8_000_000
"""Escaped characters of one plot; a table over it is paged."""

MAX_ROWS = 5_000
"""Rows of one page of a table: more is slow in a browser."""

MAX_CELL = 2_000_000
"""Escaped characters of one table cell; a longer text is cut."""

MAX_BATCH = 10_000_000
"""Escaped characters of one request."""

MAX_BATCH_EVENTS = 500

MAX_EVENT = 15_000_000
"""Escaped characters of one event: ClearML's own limit, less what a request adds."""

MAX_LOG = 1_048_576
"""Escaped characters of one console event, as in ClearML's own SDK."""

_FONT = "Heebo, verdana, arial, sans-serif"
_LAYOUT_RESERVE = 4_000
_ADDRESS_RESERVE = 100
_WIDTHS = (6, 60)


def table_plots(
    title: str,
    series: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    iteration: int = 0,
    timestamp_ms: int,
) -> list[Event]:
    """A table as ClearML shows the one of ``Logger.report_table``, paged where it is too large.

    Args:
        title: the plot's title, ClearML's metric.
        series: the plot's series, ClearML's variant.
        columns: the names of the columns.
        rows: the cells by row, values of any kind; missing cells at the end of a row are blank.
        iteration: the iteration of the first page; further pages take the following ones.
        timestamp_ms: milliseconds since the epoch.

    Returns:
        One event a page; at least one, also for a table without rows.
    """
    width = max(chain([len(columns)], (len(row) for row in rows)))
    padding = [""] * width
    header = [_cut(cell(name), MAX_CELL // max(width, 1) + 100) for name in columns]
    header += padding[len(header) :]
    room = MAX_PLOT - _LAYOUT_RESERVE - _cost(header) - 10 * width
    cells = (_fitted([cell(v) for v in row] + padding[len(row) :], room) for row in rows)
    widths = _column_widths(header)
    pages = list(_pages(cells, room, widths))
    name, variant = metric_name(title), metric_name(series)
    events: list[Event] = []
    start = 0
    for number, page in enumerate(pages):
        span = f"rows {start + 1:,}–{start + len(page):,} of {len(rows):,}"
        suffix = f" ({span})" if len(pages) > 1 else ""
        start += len(page)
        plot = _table(header, page, widths, name + suffix, variant + suffix)
        text = json.dumps(plot, allow_nan=False)
        events.append(_plot_event(name, variant, text, iteration + number, timestamp_ms))
    return events


def plotly_plot(
    title: str,
    series: str,
    figure: Mapping[str, Any],
    *,
    iteration: int = 0,
    timestamp_ms: int,
) -> Event:
    """A plotly figure as a plot.

    Args:
        title: the plot's title, ClearML's metric.
        series: the plot's series, ClearML's variant.
        figure: ``{"data": [...], "layout": {...}}``; NaN and infinities become gaps. One that is
            too large for ClearML is replaced by an empty figure that says so.
        iteration: the plot's iteration.
        timestamp_ms: milliseconds since the epoch.
    """
    text = json.dumps(figure_value(figure), allow_nan=False)
    if escaped_length(text) > MAX_EVENT - _LAYOUT_RESERVE:
        note = f"{series}: left out, its {len(text):,} characters are too many for ClearML"
        text = json.dumps({"data": [], "layout": {"title": {"text": metric_name(note)}}})
    return _plot_event(metric_name(title), metric_name(series), text, iteration, timestamp_ms)


def scalar(
    title: str, series: str, value: float, *, iteration: int, timestamp_ms: int
) -> Event | None:
    """A point of a scalar chart, or None for NaN and infinities: a chart has no place for them."""
    if not math.isfinite(value):
        return None
    return {
        "type": "training_stats_scalar",
        "metric": metric_name(title),
        "variant": metric_name(series),
        "value": float(value),
        "iter": iteration,
        "timestamp": timestamp_ms,
    }


def console(
    lines: Iterable[str], *, timestamp_ms: int, level: str = "info", worker: str = ""
) -> list[Event]:
    """Lines as console output, in as few events as ClearML's size of an event allows.

    Args:
        lines: the lines, without line ends.
        timestamp_ms: milliseconds since the epoch of the first event. ClearML sorts by it, so each
            further event is one millisecond later.
        level: a level of ClearML's, in lower case.
        worker: the machine's name; by default this one's.
    """
    events: list[Event] = []
    for number, message in enumerate(_messages(lines)):
        events.append(
            {
                "type": "log",
                "level": level,
                "worker": worker or platform.node(),
                "msg": message,
                "timestamp": timestamp_ms + number,
            }
        )
    return events


def batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Events in batches that ClearML takes in one request, console output in batches of its own.

    Console output comes last. A plot may be sent twice, for ClearML replaces it; a line may not.

    Raises:
        TransportError: one event is larger than ClearML takes.
    """
    batch: list[Event] = []
    size = 0
    for event in sorted(events, key=_is_console):
        cost = len(json.dumps(event)) + _ADDRESS_RESERVE
        if cost > MAX_EVENT:
            raise TransportError(
                f"the event {event.get('metric')}/{event.get('variant')} has {cost:,} characters, "
                f"more than the {MAX_EVENT:,} that ClearML takes; report it in smaller parts",
                transient=False,
            )
        full = size + cost > MAX_BATCH or len(batch) >= MAX_BATCH_EVENTS
        if batch and (full or _is_console(event) != _is_console(batch[0])):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += cost
    if batch:
        yield batch


def addressed(event: Event, task_id: str) -> Event:
    """The event as the task's, with the ``method`` that ClearML's SDK puts into each of its own."""
    return {**event, "task": task_id, "method": "get"}


def _is_console(event: Event) -> bool:
    return event["type"] == "log"


def _plot_event(title: str, series: str, plot: str, iteration: int, timestamp_ms: int) -> Event:
    return {
        "type": "plot",
        "metric": title,
        "variant": series,
        "iter": iteration,
        "timestamp": timestamp_ms,
        "plot_str": plot,
    }


def _table(
    header: list[Cell], rows: list[list[Cell]], widths: list[int], title: str, series: str
) -> dict[str, Any]:
    values = [[row[index] for row in rows] for index in range(len(header))]
    return {
        "data": [
            {
                "type": "table",
                "header": {
                    "values": [[name] for name in header],
                    "align": "left",
                    "line": {"width": 0.5, "color": "#d4d6e0"},
                    "fill": {"color": "#fff"},
                    "font": {"family": _FONT, "size": 12, "color": "#333"},
                },
                "cells": {
                    "height": 30,
                    "values": values,
                    "align": "left",
                    "line": {"color": "white", "width": 1},
                    "font": {"family": _FONT, "size": 14, "color": "#384161"},
                },
                "columnwidth": widths,
            }
        ],
        "layout": {"title.text": title, "title": series},
    }


def _pages(
    rows: Iterable[tuple[list[Cell], int]], room: int, widths: list[int]
) -> Iterator[list[list[Cell]]]:
    """Rows in pages that fit; ``widths`` grow on the way to what the longest cells need."""
    page: list[list[Cell]] = []
    size = 0
    for row, cost in rows:
        if page and (size + cost > room or len(page) >= MAX_ROWS):
            yield page
            page, size = [], 0
        page.append(row)
        size += cost
        _widen(widths, row)
    yield page


def _column_widths(header: list[Cell]) -> list[int]:
    widths = [_WIDTHS[0]] * len(header)
    _widen(widths, header)
    return widths


def _widen(widths: list[int], row: list[Cell]) -> None:
    for index, value in enumerate(row):
        width = widths[index]
        # blanks and small counters need no room; a column at its widest gets no more
        if value == "" or width >= _WIDTHS[1] or (type(value) is int and 0 <= value < 100_000):
            continue
        length = len(value) if isinstance(value, str) else len(repr(value))
        if length > width:
            widths[index] = min(length, _WIDTHS[1])


def _fitted(row: list[Cell], room: int) -> tuple[list[Cell], int]:
    """A row whose longest cells are cut until it fits into one page, and its cost."""
    cost = _cost(row)
    if cost <= min(room, MAX_CELL):
        return row, cost
    costs = [_cost(value) for value in row]
    left, share = room - 4 * len(row), MAX_CELL
    for done, each in enumerate(sorted(costs)):
        share = min(left // (len(row) - done), MAX_CELL)
        if each > share:
            break
        left -= each
    row = [_cut(v, share) if c > share else v for v, c in zip(row, costs, strict=True)]
    return row, _cost(row)


def _cut(value: Cell, budget: int) -> Cell:
    """The start of a text, ending in how long it was; at most ``budget`` escaped characters."""
    if not isinstance(value, str) or _cost(value) <= budget:
        return value
    note = f"… [cut: {len(value):,} characters in all]"
    room = budget - _cost(note)
    keep = min(len(value), max(room - 4, 0))
    while keep and _cost(value[:keep]) > room:
        keep = keep * 9 // 10
    return value[:keep] + note


def _cost(value: object) -> int:
    """Characters of a value of a plot in a request's body, where it is escaped twice."""
    return escaped_length(json.dumps(value)) + 2


def _messages(lines: Iterable[str]) -> Iterator[str]:
    """Lines joined up to the size of one console event; a longer line is broken."""
    message: list[str] = []
    size = 0
    for line in chain.from_iterable(_broken(clean_text(line)) for line in lines):
        cost = len(json.dumps(line)) + 2
        if message and size + cost > MAX_LOG:
            yield "\n".join(message)
            message, size = [], 0
        message.append(line)
        size += cost
    if message:
        yield "\n".join(message)


def _broken(line: str) -> Iterator[str]:
    if len(json.dumps(line)) + 2 <= MAX_LOG:
        yield line
        return
    middle = len(line) // 2
    yield from _broken(line[:middle])
    yield from _broken(line[middle:])
