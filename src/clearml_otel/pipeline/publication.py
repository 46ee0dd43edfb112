"""One session's publication: the steps that put its tables into a ClearML task."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from clearml_otel.clearml import events
from clearml_otel.clearml.transport import Artifact, Event, ModelUpload, Transport
from clearml_otel.pipeline.delivery import Step
from clearml_otel.records import SessionTables, Table
from clearml_otel.spans import SpanRecord
from clearml_otel.spans.otlp_json import to_otlp_json_lines

ACTION_RECORDS: Final = "Action Records"
SESSION_ANALYSIS: Final = "Session Analysis"
RUNS: Final = "Runs"
OPEN_SPANS: Final = "Open Spans"
LATE_SPANS: Final = "Late Spans"
_SPANS_OF_LINE: Final = 1_000
_NULL_TOLD: Final = "\ufffd"


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """A span that had not ended when its trace was published; ``reason`` says why it was."""

    trace_id: str
    span_id: str
    name: str
    start_time_ns: int
    reason: str
    revision: int


@dataclass(frozen=True, slots=True)
class Publication:
    """What is sent of a session.

    Args:
        label: the series under which the tables stand.
        tables: the tables.
        spans: the spans that they were made from, kept whole as an artifact.
        console: lines for the task's console.
        model: the LangChain asset, where one was given.
        timestamp_ms: milliseconds since the epoch.
        pages: the steps that make its displaCy pages.
        on_console: called when the console lines are in ClearML.
        charts: the steps that draw its charts and say what models were asked with.
    """

    label: str
    tables: SessionTables
    spans: Sequence[SpanRecord]
    console: Sequence[str]
    timestamp_ms: int
    model: ModelUpload | None = None
    pages: Sequence[Step] = ()
    on_console: Callable[[], None] = lambda: None
    charts: Sequence[Step] = ()

    def steps(self) -> list[Step]:
        """What is to be done, tables first; each step can be repeated without doubling anything.

        A step holds what it sends and nothing else, so that this is let go of when it is done.
        """
        label = self.label
        titled = (
            (ACTION_RECORDS, self.tables.actions),
            (SESSION_ANALYSIS, self.tables.session),
            (RUNS, self.tables.runs),
        )
        steps = [_table_step(title, label, table, self.timestamp_ms) for title, table in titled]
        if self.console:
            # a step of its own: ClearML keeps every console line it is sent, so that lines sent
            # again with a table's retry would stand there twice
            steps.append(_console_step(self.console, self.timestamp_ms, self.on_console))
        steps += self.charts
        steps += [_csv_step(title, label, table) for title, table in titled]
        steps += [spans_step(label, self.spans), *model_steps(self.model)]
        # last, for they take long
        return [*steps, *self.pages]


def _console_step(lines: Sequence[str], timestamp_ms: int, on_sent: Callable[[], None]) -> Step:
    send_lines = _events(events.console(lines, timestamp_ms=timestamp_ms))

    def send(transport: Transport) -> None:
        send_lines(transport)
        on_sent()

    return send


def _table_step(title: str, label: str, table: Table, timestamp_ms: int) -> Step:
    def send(transport: Transport) -> None:
        plots = events.table_plots(
            title, label, table.columns, table.rows, timestamp_ms=timestamp_ms
        )
        for batch in events.batches(plots):
            transport.send(batch)

    return send


def _csv_step(title: str, label: str, table: Table) -> Step:
    def artifact() -> Artifact:
        name = f"{title} - {label}"
        preview = f"{len(table.rows)} rows x {len(table.columns)} columns"
        return Artifact(name, f"{name}.csv", _csv(table), "text/csv", preview)

    return _upload(artifact)


def _csv(table: Table) -> bytes:
    """The table as CSV; null characters, at which some readers stop, are told by U+FFFD."""
    try:
        data = _written(table.columns, table.rows)
    except csv.Error:
        # Python 3.10 writes none either
        data = _written(_without_null(table.columns), map(_without_null, table.rows))
    return data.replace(b"\0", _NULL_TOLD.encode())


def _written(columns: Iterable[object], rows: Iterable[Iterable[object]]) -> bytes:
    data = io.BytesIO()
    # as bytes row by row: the text as a whole would be the largest thing in memory
    with io.TextIOWrapper(data, "utf-8", "replace", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        text.flush()
        return data.getvalue()


def _without_null(row: Iterable[object]) -> list[object]:
    return [cell.replace("\0", _NULL_TOLD) if isinstance(cell, str) else cell for cell in row]


def model_steps(model: ModelUpload | None) -> list[Step]:
    """Uploads the LangChain asset, where there is one."""
    return [] if model is None else [lambda transport: transport.upload_model(model)]


def spans_step(label: str, spans: Sequence[SpanRecord]) -> Step:
    """Keeps the spans of a session whole, as OTLP JSON lines that ``replay`` reads."""

    def artifact() -> Artifact:
        packed = io.BytesIO()
        # no time stamp inside, so that the same spans give the same bytes
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as file:
            # the JSON of all at once would be the largest thing in memory
            for start in range(0, len(spans), _SPANS_OF_LINE):
                for line in to_otlp_json_lines(spans[start : start + _SPANS_OF_LINE]):
                    file.write(f"{line}\n".encode("ascii"))
        name = f"Spans - {label}"
        preview = f"{len(spans)} spans, OTLP JSON lines"
        return Artifact(name, f"{name}.jsonl.gz", packed.getvalue(), "application/gzip", preview)

    return _upload(artifact)


def open_spans_step(label: str, spans: Sequence[OpenSpan], timestamp_ms: int) -> Step:
    """Lists the spans that a session's published traces still wait for."""
    columns = ("trace_id", "span_id", "name", "started", "published_because", "revision")
    rows = [
        (
            each.trace_id,
            each.span_id,
            each.name,
            _iso(each.start_time_ns),
            each.reason,
            each.revision,
        )
        for each in spans
    ]
    plots = events.table_plots(OPEN_SPANS, label, columns, rows, timestamp_ms=timestamp_ms)
    return _events(list(plots))


def late_spans_step(label: str, spans: Sequence[SpanRecord], timestamp_ms: int) -> Step:
    """Lists spans that came when what they belong below was published for good.

    Their rows would look like runs without parents. They are among the session's kept spans.
    """
    columns = ("trace_id", "span_id", "parent_span_id", "name", "started", "ended")
    rows = [
        (
            each.trace_id,
            each.span_id,
            each.parent_span_id,
            each.name,
            _iso(each.start_time_ns),
            _iso(each.end_time_ns) if each.end_time_ns is not None else None,
        )
        for each in sorted(spans, key=lambda span: span.start_time_ns)
    ]
    plots = events.table_plots(LATE_SPANS, label, columns, rows, timestamp_ms=timestamp_ms)
    return _events(list(plots))


def losses_step(label: str, losses: Mapping[str, int]) -> Step:
    """Says on the task how many spans of a session are not in its tables, and why."""
    text = "".join(f"{spans} spans lost: {reason}\n" for reason, spans in losses.items())
    return lambda transport: transport.set_configuration(f"Lost spans - {label}", text)


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, timezone.utc).isoformat(timespec="milliseconds")


def _events(made: Sequence[Event]) -> Step:
    def send(transport: Transport) -> None:
        for batch in events.batches(made):
            transport.send(batch)

    return send


def _upload(make: Callable[[], Artifact]) -> Step:
    return lambda transport: transport.upload_artifact(make())
