"""All tables of one session, from its spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from clearml_otel.conventions import Run, Usage, read_runs
from clearml_otel.records import columns
from clearml_otel.records.actions import Cell, actions_of
from clearml_otel.records.counting import ActionRecord, Counters
from clearml_otel.records.ordering import ordered_groups
from clearml_otel.records.runs import run_row
from clearml_otel.spans import SpanRecord

Call: TypeAlias = "str | tuple[str, str]"
"""What identifies a ``generate`` call: its batch, or its only run's span."""
_UNKNOWN: Final = Usage()


@dataclass(frozen=True, slots=True)
class Table:
    """Column names and rows; a missing cell is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class SessionTables:
    """What is published of a session.

    Args:
        actions: the action records, columns in the page's order.
        session: one row a prompt and answer, the page's 24 columns.
        runs: one row a run; its steps join it to the other two.
        records: the action records as the page prints them, keys in its order.
    """

    actions: Table
    session: Table
    runs: Table
    records: tuple[dict[str, Cell], ...]


def build_tables(spans: Iterable[SpanRecord]) -> SessionTables:
    """The tables of one session; equal for equal spans in whatever order they come.

    Args:
        spans: finished spans of any processes. A span that came twice counts once; spans that
            are no runs make no rows.
    """
    runs = read_runs(_once(spans))
    usages = _call_usages(runs)
    actions = [action for run in runs for action in actions_of(run, usages[_call(run)])]
    counters = Counters()
    records = [record for group in ordered_groups(actions) for record in counters.count(group)]
    return SessionTables(
        actions=_action_table(records),
        session=_session_table(records, usages),
        runs=_runs_table(runs, records),
        records=tuple(record.fields for record in records),
    )


def _once(spans: Iterable[SpanRecord]) -> list[SpanRecord]:
    """One record a span: of several, the one that knows most."""
    found: dict[tuple[str, str], SpanRecord] = {}
    for span in spans:
        key = span.trace_id, span.span_id
        known = found.get(key)
        if known is None or _knowledge(span) > _knowledge(known):
            found[key] = span
    return [found[key] for key in sorted(found)]


def _knowledge(span: SpanRecord) -> tuple[int, int, str]:
    return span.end_time_ns or 0, len(span.attributes), repr(span.attributes)


def _call(run: Run) -> Call:
    return run.batch_id or (run.span.trace_id, run.span.span_id)


def _call_usages(runs: Iterable[Run]) -> dict[Call, Usage]:
    """The tokens of each ``generate`` call.

    LangChain gives the usage of a completion call to its first prompt's run only; the page shows
    it on every row of the call. Chat runs have usages of their own, which add up.
    """
    totals: dict[Call, Usage] = {}
    for run in runs:
        call = _call(run)
        known = totals.get(call)
        totals[call] = run.usage if known is None else sum_usage(known, run.usage)
    return totals


def sum_usage(left: Usage, right: Usage) -> Usage:
    """Tokens of two runs together; a count that neither knows stays unknown."""
    return Usage(
        _add(left.input_tokens, right.input_tokens),
        _add(left.output_tokens, right.output_tokens),
        _add(left.total_tokens, right.total_tokens),
    )


def _add(left: int | None, right: int | None) -> int | None:
    return right if left is None else left if right is None else left + right


def _action_table(records: Sequence[ActionRecord]) -> Table:
    found: set[str] = set()
    for record in records:
        found.update(record.fields)
    names = columns.in_page_order(found or {"action", *columns.COUNTERS})
    return Table(names, tuple([tuple(map(record.fields.get, names)) for record in records]))


def _session_table(records: Sequence[ActionRecord], usages: dict[Call, Usage]) -> Table:
    """Prompts beside their answers, paired by run and in the order of the prompts."""
    ends: dict[int, list[ActionRecord]] = {}
    for record in records:
        if record.action.phase == "end":
            ends.setdefault(id(record.action.run), []).append(record)
    own = _own_metrics(records)
    metrics = (*columns.METRICS, *own)
    rows: list[tuple[Cell, ...]] = []
    for start in records:
        if start.action.name == "on_llm_start":
            answers: Sequence[ActionRecord | None] = ends.pop(id(start.action.run), []) or [None]
            rows += [_session_row(start, answer, usages, metrics) for answer in answers]
    # answers whose start LangChain never sent still get their row
    rows += [
        _session_row(None, answer, usages, metrics)
        for left in ends.values()
        for answer in left
        if answer.action.run.kind == "llm"
    ]
    return Table((*columns.SESSION, *own), tuple(rows))


def _own_metrics(records: Iterable[ActionRecord]) -> list[str]:
    """The columns of metrics that the application registered."""
    found: set[str] = set()
    for record in records:
        for generation in record.action.run.generations:
            found.update(generation.readability)
    return sorted(set(map(columns.metric_column, found)) - set(columns.METRICS))


def _session_row(
    start: ActionRecord | None,
    answer: ActionRecord | None,
    usages: dict[Call, Usage],
    metrics: Sequence[str],
) -> tuple[Cell, ...]:
    """The cells of :data:`~clearml_otel.records.columns.SESSION`, and of own metrics."""
    known = start or answer
    run = known.action.run if known else None
    usage = usages[_call(run)] if run and answer else _UNKNOWN
    answered = answer.fields if answer else {}
    return (
        start.step if start else None,
        run.prompts if run else None,
        run.name if run else None,
        answer.step if answer else None,
        answered.get("text"),
        usage.total_tokens,
        usage.input_tokens,
        usage.output_tokens,
        *map(answered.get, metrics),
    )


def _runs_table(runs: Iterable[Run], records: Sequence[ActionRecord]) -> Table:
    ordered: dict[int, Run] = {}
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for record in records:
        action = record.action
        key = id(action.run)
        ordered.setdefault(key, action.run)
        if action.phase == "start":
            starts[key] = record.step
        elif action.phase == "end":
            ends[key] = record.step
    for run in runs:
        # runs without a record stand last
        ordered.setdefault(id(run), run)
    rows = [run_row(run, starts.get(key), ends.get(key)) for key, run in ordered.items()]
    return Table(columns.RUNS, tuple(rows))
