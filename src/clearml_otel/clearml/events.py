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

from clearml_otel.clearml.encoding import Cell, clean_text, escaped_length, figure_value
from clearml_otel.clearml.naming import metric_name
from clearml_otel.clearml.table_pages import TablePages
from clearml_otel.clearml.transport import Event, TransportError

MAX_BATCH = 10_000_000
"""Escaped characters of one request."""

MAX_BATCH_EVENTS = 500

MAX_EVENT = 15_000_000
"""Escaped characters of one event: ClearML's own limit, less what a request adds."""

MAX_LOG = 1_048_576
"""Escaped characters of one console event, as in ClearML's own SDK."""

_NO_CELLS = '"height": 30, "values": []'
"""Where the cells stand in the JSON of a plot; inside of a text its quotes would be escaped."""

_FONT = "Heebo, verdana, arial, sans-serif"
_LAYOUT_RESERVE = 4_000
_ADDRESS_RESERVE = 100


def table_plots(
    title: str,
    series: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    iteration: int = 0,
    timestamp_ms: int,
) -> Iterator[Event]:
    """A table as ClearML shows the one of ``Logger.report_table``, paged where it is too large.

    Args:
        title: the plot's title, ClearML's metric.
        series: the plot's series, ClearML's variant.
        columns: the names of the columns.
        rows: the cells by row, values of any kind; missing cells at the end of a row are blank.
        iteration: the iteration of the first page; further pages take the following ones.
        timestamp_ms: milliseconds since the epoch.

    Yields:
        One event a page; at least one, also for a table without rows. Each is made when it is
        asked for, so that a large table is never in memory as a whole.
    """
    name, variant = metric_name(title), metric_name(series)
    pages = TablePages(columns, rows)
    start = 0
    for number, page in enumerate(pages):
        suffix = ""
        if page.rows < len(rows):
            suffix = f" (rows {start + 1:,}–{start + page.rows:,} of {len(rows):,})"
        start += page.rows
        frame = json.dumps(_table(pages.header, pages.widths, name + suffix, variant + suffix))
        before, after = frame.split(_NO_CELLS, 1)
        text = f"{before}{_NO_CELLS[:-2]}{page.cells}{after}"
        yield _plot_event(name, variant, text, iteration + number, timestamp_ms)


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
    Each batch is given as soon as it is full, before the events after it are asked for.

    Raises:
        TransportError: one event is larger than ClearML takes.
    """
    lines: list[Event] = []

    def others() -> Iterator[Event]:
        for event in events:
            if _is_console(event):
                lines.append(event)
            else:
                yield event

    yield from _batches(others())
    yield from _batches(lines)


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    size = 0
    for event in events:
        cost = _size(event) + _ADDRESS_RESERVE
        if cost > MAX_EVENT:
            raise TransportError(
                f"the event {event.get('metric')}/{event.get('variant')} has {cost:,} characters, "
                f"more than the {MAX_EVENT:,} that ClearML takes; report it in smaller parts",
                transient=False,
            )
        if batch and (size + cost > MAX_BATCH or len(batch) >= MAX_BATCH_EVENTS):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += cost
    if batch:
        yield batch


def _size(event: Event) -> int:
    """Characters of an event in a request's body."""
    plot = event.get("plot_str")
    if not isinstance(plot, str):
        return len(json.dumps(event))
    # a plot is ASCII JSON of some millions of characters, which are not escaped just to be counted
    return len(json.dumps({**event, "plot_str": ""})) + escaped_length(plot)


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


def _table(header: list[Cell], widths: list[int], title: str, series: str) -> dict[str, Any]:
    """The plot of a table, without its cells."""
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
                    "values": [],
                    "align": "left",
                    "line": {"color": "white", "width": 1},
                    "font": {"family": _FONT, "size": 14, "color": "#384161"},
                },
                "columnwidth": widths,
            }
        ],
        "layout": {"title.text": title, "title": series},
    }


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
