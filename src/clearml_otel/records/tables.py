"""All tables of one session, from its spans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Final, TypeAlias

from clearml_otel.conventions import Run, Usage, read_runs
from clearml_otel.records import columns
from clearml_otel.records.actions import Cell, actions_of
from clearml_otel.records.counting import Counted, Counters
from clearml_otel.records.ordering import ordered_groups
from clearml_otel.records.runs import run_row
from clearml_otel.spans import SpanRecord

Row: TypeAlias = "tuple[Cell, ...]"
Names: TypeAlias = "tuple[str, ...]"
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
        keys: of each action record, in the order in which the page prints them.
    """

    actions: Table
    session: Table
    runs: Table
    keys: tuple[Names, ...]

    @property
    def records(self) -> tuple[dict[str, Cell], ...]:
        """The action records as the page prints them; made anew, for they take much memory."""
        places = {name: place for place, name in enumerate(self.actions.columns)}
        return tuple(
            {key: row[places[key]] for key in keys}
            for keys, row in zip(self.keys, self.actions.rows, strict=True)
        )


def build_tables(spans: Iterable[SpanRecord]) -> SessionTables:
    """The tables of one session; equal for equal spans in whatever order they come.

    Args:
        spans: finished spans of any processes. A span that came twice counts once; spans that
            are no runs make no rows.
    """
    runs = read_runs(_once(spans))
    usages = _CallUsages(runs)
    actions = [action for run in runs for action in actions_of(run, usages.of(run))]
    counters = Counters()
    found = _Found()
    for group in ordered_groups(actions):
        for counted in counters.count(group):
            found.add(counted)
    table = found.action_table()
    return SessionTables(
        actions=table,
        session=_session_table(found, table, usages),
        runs=_runs_table(runs, found),
        keys=tuple(found.keys),
    )


def _once(spans: Iterable[SpanRecord]) -> list[SpanRecord]:
    """One record a span: of several, the one that knows most."""
    found: dict[tuple[str, str], SpanRecord] = {}
    for span in spans:
        key = span.trace_id, span.span_id
        known = found.get(key)
        if known is None or _knowledge(span) > _knowledge(known):
            found[key] = span
    # by time, as they lie in memory: in an order without sense the processor would wait for it
    return sorted(found.values(), key=_place)


def _place(span: SpanRecord) -> tuple[int, str, str]:
    return span.start_time_ns, span.trace_id, span.span_id


def _knowledge(span: SpanRecord) -> tuple[int, int, str]:
    return span.end_time_ns or 0, len(span.attributes), repr(span.attributes)


class _CallUsages:
    """The tokens of each ``generate`` call.

    LangChain gives the usage of a completion call to its first prompt's run only; the page shows
    it on every row of the call. Chat runs have usages of their own, which add up.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        self._of_batch: dict[str, Usage] = {}
        for run in runs:
            if run.batch_id:
                known = self._of_batch.get(run.batch_id)
                usage = run.usage if known is None else sum_usage(known, run.usage)
                self._of_batch[run.batch_id] = usage

    def of(self, run: Run) -> Usage:
        """The tokens of the call that the run is part of."""
        return self._of_batch[run.batch_id] if run.batch_id else run.usage


def sum_usage(left: Usage, right: Usage) -> Usage:
    """Tokens of two runs together; a count that neither knows stays unknown."""
    return Usage(
        _add(left.input_tokens, right.input_tokens),
        _add(left.output_tokens, right.output_tokens),
        _add(left.total_tokens, right.total_tokens),
    )


def _add(left: int | None, right: int | None) -> int | None:
    return right if left is None else left if right is None else left + right


class _Found:
    """What all tables need of the records, which are let go of one by one.

    A row holds a record's cells in the record's own order until all columns are known.
    """

    def __init__(self) -> None:
        self.keys: list[Names] = []
        self.runs: dict[int, Run] = {}
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.answers: dict[int, range] = {}
        self._rows: list[Row] = []
        self._known_keys: dict[Names, Names] = {}

    def add(self, counted: Counted) -> None:
        """Take the records of the next action."""
        action, step, records = counted
        run = action.run
        key = id(run)
        self.runs[key] = run
        if action.phase == "start":
            self.starts[key] = step
        elif action.phase == "end":
            self.ends[key] = step
            if run.kind == "llm":
                self.answers[key] = range(len(self._rows), len(self._rows) + len(records))
        for record in records:
            keys = tuple(record)
            self.keys.append(self._known_keys.setdefault(keys, keys))
            self._rows.append(tuple(record.values()))

    def action_table(self) -> Table:
        """The action table; to be asked for once."""
        found = set(chain.from_iterable(self._known_keys))
        names = columns.in_page_order(found or {"action", *columns.COUNTERS})
        arranged = {keys: _arranged(keys, names) for keys in self._known_keys}
        rows = self._rows
        for place, keys in enumerate(self.keys):
            rows[place] = arranged[keys]((*rows[place], None))
        return Table(names, tuple(rows))


def _arranged(keys: Sequence[str], names: Iterable[str]) -> Callable[[Row], Row]:
    """Gives the cells of ``names`` from a row of the cells of ``keys`` and, last, of a missing one.

    ``names`` are two at least.
    """
    places = {name: place for place, name in enumerate(keys)}
    getter: Any = itemgetter(*[places.get(name, len(keys)) for name in names])
    return getter


def _session_table(found: _Found, actions: Table, usages: _CallUsages) -> Table:
    """Prompts beside their answers, paired by run and in the order of the prompts."""
    own = _own_metrics(found.runs.values())
    cells_of = _arranged(actions.columns, ("text", *columns.METRICS, *own))
    # answers whose start LangChain never sent still get their row, after all prompts
    keys = [key for key in found.starts if found.runs[key].kind == "llm"]
    keys += [key for key in found.answers if key not in found.starts]
    rows: list[Row] = []
    for key in keys:
        run, step, end = found.runs[key], found.starts.get(key), found.ends.get(key)
        if end is None:
            nothing = cells_of((None,) * (len(actions.columns) + 1))
            rows.append(_session_row(run, step, end, _UNKNOWN, nothing))
            continue
        usage = usages.of(run)
        for place in found.answers[key]:
            cells = cells_of((*actions.rows[place], None))
            rows.append(_session_row(run, step, end, usage, cells))
    return Table((*columns.SESSION, *own), tuple(rows))


def _own_metrics(runs: Iterable[Run]) -> list[str]:
    """The columns of metrics that the application registered."""
    found: set[str] = set()
    for run in runs:
        for generation in run.generations:
            if not generation.readability.keys() <= columns.METRIC_NAMES:
                found.update(generation.readability)
    return sorted(set(map(columns.metric_column, found)) - columns.METRIC_NAMES)


def _session_row(
    run: Run, start: int | None, end: int | None, usage: Usage, answered: Sequence[Cell]
) -> Row:
    """The cells of :data:`~clearml_otel.records.columns.SESSION`, and of own metrics.

    Args:
        run: whose prompt and answer it is.
        start: the step of the prompt's record.
        end: the step of the answer's record.
        usage: of the whole ``generate`` call.
        answered: the answer's text and its metrics.
    """
    text, *metrics = answered
    return (
        start,
        run.prompts,
        run.name,
        end,
        text,
        usage.total_tokens,
        usage.input_tokens,
        usage.output_tokens,
        *metrics,
    )


def _runs_table(runs: Iterable[Run], found: _Found) -> Table:
    # runs without a record stand last
    ordered = {**found.runs, **{id(run): run for run in runs}}
    rows = [
        run_row(run, found.starts.get(key), found.ends.get(key)) for key, run in ordered.items()
    ]
    return Table(columns.RUNS, tuple(rows))
