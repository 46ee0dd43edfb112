"""The rows of one workload of the comparison with other instrumentations."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from benchmarks.spec import Spec
from benchmarks.table import GridRow, NotRunnable, Samples, in_digits, in_times

NONE: Final = Spec("none")
NOOP: Final = Spec("noop")
BARE: Final = Spec("dropped")
OURS: Final = Spec("instrumentor")
OURS_READABLE: Final = Spec("instrumentor", complexity=True)

Seconds: TypeAlias = "dict[tuple[str, Spec], list[float] | NotRunnable]"
"""Of each run, by round; of each workload's title and what was measured."""

_MICROSECONDS: Final = 1e6
_LOW: Final = 0.2


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of run.

    Args:
        title: what readers know it as.
        do: a public method of :class:`benchmarks.worker.Bench`.
        arguments: its keywords.
        sync: the title of the same work without an event loop.
    """

    title: str
    do: str
    arguments: Mapping[str, Any]
    sync: str = ""


def rows(workload: Workload, specs: Sequence[Spec], seconds: Seconds) -> Iterator[GridRow]:
    """What was added, and how it compares; the column of no instrumentation has the run itself."""
    found = {spec: seconds[workload.title, spec] for spec in specs}
    medians = {spec: _added(spec, found, statistics.median) for spec in specs}
    ours = found[OURS]
    noise = "–"
    if not isinstance(ours, NotRunnable):
        own = Samples([value - none for value, none in zip(ours, _of_none(found), strict=True)])
        noise = "–" if own.noise is None else f"{own.noise:.0%}"

    def row(measure: str, cell: Callable[[Spec], str], noise: str = "") -> GridRow:
        cells = [_unknown(found[spec]) or cell(spec) for spec in specs]
        return GridRow([workload.title, measure, *cells, noise])

    lows = {spec: _added(spec, found, _low) for spec in specs}
    yield row("added, median", lambda spec: in_digits(medians[spec]), noise)
    yield row("added, 20th percentile", lambda spec: in_digits(lows[spec]))
    yield row("it / bare spans", lambda spec: _times(spec, medians[spec], medians[BARE]))
    yield row("ours / it", lambda spec: _times(spec, medians[OURS], medians[spec]))
    if workload.sync:
        loop = medians[NOOP]
        sync = {spec: seconds[workload.sync, spec] for spec in specs}

        def least(spec: Spec) -> float:
            return loop + _added(spec, sync, statistics.median)

        yield row("it / (no-op + its sync)", lambda spec: _times(spec, medians[spec], least(spec)))


def _added(
    spec: Spec,
    found: Mapping[Spec, list[float] | NotRunnable],
    of: Callable[[Sequence[float]], float],
) -> float:
    """Microseconds more than with no instrumentation; of a difference, since rounds are noisy."""
    values = found[spec]
    if isinstance(values, NotRunnable):
        return float("nan")
    none = 0.0 if spec == NONE else of(_of_none(found))
    return (of(values) - none) * _MICROSECONDS


def _of_none(found: Mapping[Spec, list[float] | NotRunnable]) -> list[float]:
    values = found[NONE]
    assert isinstance(values, list)
    return values


def _low(values: Sequence[float]) -> float:
    return sorted(values)[int(_LOW * len(values))]


def _unknown(values: list[float] | NotRunnable) -> str:
    if isinstance(values, NotRunnable):
        return "not installed" if values.reason == "not installed" else "not runnable"
    return ""


def _times(spec: Spec, value: float, other: float) -> str:
    return "–" if spec == NONE or other <= 0 else in_times(value / other)
