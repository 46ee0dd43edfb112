"""All tables of one session, from its spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clearml_otel.conventions import Run, Usage, read_runs
from clearml_otel.records import columns
from clearml_otel.records.actions import Cell, actions_of
from clearml_otel.records.counting import ActionRecord, Counters
from clearml_otel.records.ordering import ordered_groups
from clearml_otel.records.runs import run_row
from clearml_otel.spans import SpanRecord


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


def _call(run: Run) -> str:
    return run.batch_id or f"{run.span.trace_id}:{run.span.span_id}"


def _call_usages(runs: Iterable[Run]) -> dict[str, Usage]:
    """The tokens of each ``generate`` call.

    LangChain gives the usage of a completion call to its first prompt's run only; the page shows
    it on every row of the call. Chat runs have usages of their own, which add up.
    """
    totals: dict[str, Usage] = {}
    for run in runs:
        totals[_call(run)] = sum_usage(totals.get(_call(run), Usage()), run.usage)
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
    found = {column for record in records for column in record.fields}
    names = columns.in_page_order(found or {"action", *columns.COUNTERS})
    return Table(names, tuple(tuple(map(record.fields.get, names)) for record in records))


def _session_table(records: Sequence[ActionRecord], usages: dict[str, Usage]) -> Table:
    """Prompts beside their answers, paired by run and in the order of the prompts."""
    ends: dict[int, list[ActionRecord]] = {}
    for record in records:
        if record.action.phase == "end":
            ends.setdefault(id(record.action.run), []).append(record)
    own = sorted({name for run in _runs(records) for name in _own_metrics(run)})
    rows: list[tuple[Cell, ...]] = []
    for start in records:
        if start.action.name == "on_llm_start":
            answers: Sequence[ActionRecord | None] = ends.pop(id(start.action.run), []) or [None]
            rows.extend(_session_row(start, answer, usages, own) for answer in answers)
    # answers whose start LangChain never sent still get their row
    rows.extend(
        _session_row(None, answer, usages, own)
        for left in ends.values()
        for answer in left
        if answer.action.run.kind == "llm"
    )
    return Table((*columns.SESSION, *own), tuple(rows))


def _runs(records: Sequence[ActionRecord]) -> list[Run]:
    return list({id(record.action.run): record.action.run for record in records}.values())


def _own_metrics(run: Run) -> set[str]:
    """The columns of metrics that the application registered."""
    found = {columns.metric_column(name) for item in run.generations for name in item.readability}
    return found - set(columns.METRICS)


def _session_row(
    start: ActionRecord | None,
    answer: ActionRecord | None,
    usages: dict[str, Usage],
    own: Sequence[str],
) -> tuple[Cell, ...]:
    known = start or answer
    run = known.action.run if known else None
    usage = usages.get(_call(run), Usage()) if run and answer else Usage()
    answered = answer.fields if answer else {}
    cells: dict[str, Cell] = {
        "prompt_step": start.step if start else None,
        "prompts": run.prompts if run else None,
        "name": run.name if run else None,
        "output_step": answer.step if answer else None,
        "output": answered.get("text"),
        "token_usage_total_tokens": usage.total_tokens,
        "token_usage_prompt_tokens": usage.input_tokens,
        "token_usage_completion_tokens": usage.output_tokens,
        **{metric: answered.get(metric) for metric in (*columns.METRICS, *own)},
    }
    return tuple(cells[column] for column in (*columns.SESSION, *own))


def _runs_table(runs: Iterable[Run], records: Sequence[ActionRecord]) -> Table:
    steps: dict[tuple[int, str], int] = {}
    position: dict[int, int] = {}
    for index, record in enumerate(records):
        key = id(record.action.run)
        steps.setdefault((key, record.action.phase), record.step)
        position.setdefault(key, index)
    ordered = sorted(runs, key=lambda run: position.get(id(run), len(records)))
    return Table(
        columns.RUNS,
        tuple(
            run_row(run, steps.get((id(run), "start")), steps.get((id(run), "end")))
            for run in ordered
        ),
    )
