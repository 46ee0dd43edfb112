"""Numbers of a session in short: spreads of durations and metrics, and sums of tokens."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from clearml_otel.readability import METRICS
from clearml_otel.records.tables import SessionTables, Table

Group: TypeAlias = "tuple[str, str]"
"""A run's type and name."""

_NUMERIC: Final = (int, float)


@dataclass(frozen=True, slots=True)
class Spread:
    """Five numbers, the mean and how many values there were; in the values' own unit."""

    least: float
    q1: float
    median: float
    q3: float
    most: float
    mean: float
    count: int


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One model run that has ended; None where it did not say."""

    run_id: str
    duration_s: float | None
    time_to_first_chunk_s: float | None
    input_tokens: int | None
    output_tokens: int | None


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    if len(values) == 1:
        (only,) = values
        return Spread(only, only, only, only, only, only, 1)
    q1, median, q3 = statistics.quantiles(values, method="inclusive")
    return Spread(min(values), q1, median, q3, max(values), statistics.fmean(values), len(values))


def durations(runs: Table, most: int) -> dict[Group, Spread]:
    """Seconds that runs of one type and name took; those that took most in all, longest first."""
    found: dict[Group, list[float]] = {}
    for kind, name, seconds in _cells(runs, "type", "name", "duration_s"):
        if seconds is not None:
            found.setdefault((kind, name or kind), []).append(seconds)
    longest = sorted(found, key=lambda group: (-sum(found[group]), group))
    return {group: spread(found[group]) for group in longest[:most]}


def tokens_by_model(runs: Table) -> dict[str, tuple[int, int]]:
    """Input and output tokens of each model that told some, by name."""
    found: dict[str, tuple[int, int]] = {}
    cells = _cells(runs, "type", "model", "input_tokens", "output_tokens")
    for kind, model, given, made in cells:
        if kind == "llm" and (given is not None or made is not None):
            before = found.get(model or "unknown model", (0, 0))
            found[model or "unknown model"] = before[0] + (given or 0), before[1] + (made or 0)
    return dict(sorted(found.items()))


def model_calls(runs: Table) -> list[ModelCall]:
    """The model runs that have ended, in the order of their ends."""
    names = ("end_step", "type", *ModelCall.__dataclass_fields__)
    ended = [cells for cells in _cells(runs, *names) if cells[1] == "llm" and cells[0] is not None]
    ended.sort(key=lambda cells: cells[0])
    return [ModelCall(*cells[2:]) for cells in ended]


def readability_spreads(tables: SessionTables) -> dict[str, Spread]:
    """The spread of each numeric readability metric over a session's answers."""
    columns = [name for name in METRICS if name in tables.session.columns]
    found: dict[str, list[float]] = {}
    for values in _cells(tables.session, *columns):
        for name, value in zip(columns, values, strict=True):
            if isinstance(value, _NUMERIC) and math.isfinite(value):
                found.setdefault(name, []).append(float(value))
    return {name: spread(values) for name, values in found.items()}


def _cells(table: Table, *names: str) -> Iterable[tuple[Any, ...]]:
    """Some columns of each row."""
    places: Mapping[str, int] = {name: place for place, name in enumerate(table.columns)}
    wanted = [places[name] for name in names]
    return (tuple([row[place] for place in wanted]) for row in table.rows)
