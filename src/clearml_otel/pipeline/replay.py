"""Archived spans to a ClearML task, in a process that never saw the run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clearml_otel.pipeline.charts import Drawn, charts_step
from clearml_otel.pipeline.console import console_lines
from clearml_otel.pipeline.delivery import Step
from clearml_otel.pipeline.destination import transport_for, transports_of_others
from clearml_otel.pipeline.labels import Labels
from clearml_otel.pipeline.late_readability import LateReadability, foreign_engine
from clearml_otel.pipeline.model_parameters import ModelParameters
from clearml_otel.pipeline.publication import Publication
from clearml_otel.pipeline.publisher import DEFAULT_SESSION
from clearml_otel.pipeline.tasks import MAIN, Tasks, by_task
from clearml_otel.pipeline.trace_links import with_trace_urls
from clearml_otel.pipeline.visuals import Visuals
from clearml_otel.records import SessionTables, build_tables, group_sessions
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord


@dataclass(frozen=True, slots=True)
class ReplayedSession:
    """One session of a replay: the series of its tables, the tables and the task's name."""

    name: str
    tables: SessionTables
    task: str = MAIN


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Where a replay's tasks are, and what is in them."""

    locations: tuple[str, ...]
    sessions: tuple[ReplayedSession, ...]


def replay(
    records: Iterable[SpanRecord], settings: Settings, session_names: Sequence[str] = ()
) -> ReplayResult:
    """Publish the sessions of archived spans as one task, or one for each session or service.

    Args:
        records: spans in any order, of any processes.
        settings: name the task and say where it goes.
        session_names: series for the sessions in the order of their starts, for spans of a
            callback handler: it learned its sessions' names at their flushes, after their spans
            had ended.

    Raises:
        TransportError: where ClearML, or the disk, does not take them.
    """
    sessions = list(_named(records, settings, session_names))
    main, others = transport_for(settings), transports_of_others(settings)
    tasks = Tasks(
        lambda name: others(name) if others is not None and name != MAIN else main,
        several=others is not None,
        describe=[lambda each: each.set_configuration("clearml-otel", settings.as_text())],
    )
    parameters = ModelParameters()
    for session, spans in sessions:
        task = session.task if tasks.several else MAIN
        transport = tasks.open(task)
        for step in (*_steps(session, spans, settings), *parameters.steps(task, spans)):
            step(transport)
    opened = list(tasks.opened().values())
    for transport in opened:
        transport.close("completed", "replayed by clearml-otel")
    published = tuple(session for session, _ in sessions)
    return ReplayResult(tuple(each.location for each in opened), published)


def _named(
    records: Iterable[SpanRecord], settings: Settings, names: Sequence[str]
) -> Iterable[tuple[ReplayedSession, list[SpanRecord]]]:
    labels: dict[str, Labels] = {}
    default = settings.session_name or DEFAULT_SESSION
    measured = LateReadability(foreign_engine(settings), most_kept=0).measured(records)
    found = group_sessions(measured)
    given = dict(zip(found, names, strict=False))
    for task, key, spans in by_task(settings.task_per, found, given):
        name = given.get(key) or key.name or default
        label = labels.setdefault(task, Labels()).new(name)
        tables = with_trace_urls(build_tables(spans), settings.trace_url)
        yield ReplayedSession(label, tables, task), spans


def _steps(session: ReplayedSession, spans: list[SpanRecord], settings: Settings) -> Iterable[Step]:
    lines = console_lines(session.tables) if settings.stream_logs else ()
    now_ms = time.time_ns() // 1_000_000
    pages: list[Step] = []
    if settings.visualize:
        visuals = Visuals(settings.visualize_model, settings.visualize_max_words)
        pages = visuals.steps(session.name, session.tables, now_ms)
    charts = [charts_step(session.name, session.tables, Drawn(), now_ms)] if settings.charts else ()
    return Publication(
        session.name, session.tables, spans, lines, now_ms, pages=pages, charts=charts
    ).steps()
