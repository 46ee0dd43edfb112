"""What a model call takes the application with none, one and three backends, and with dead ones."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, TypeAlias

from benchmarks.backend_handlers import BACKENDS
from benchmarks.parts import Contender, Setting
from benchmarks.spec import Spec, Subject
from benchmarks.table import Grid, GridRow, NotRunnable, Samples, in_digits, in_times

Seconds: TypeAlias = "dict[Subject, dict[str, list[float]] | NotRunnable]"
"""Of each call, by round and by what the clock counts."""

_MICROSECONDS: Final = 1e6
_BASE: Final = "no backend"
_CLOCKS: Final[Mapping[str, str]] = {
    "wall": "wall, median call",
    "slow": "wall, slowest of twenty",
    "cpu": "CPU of its thread",
}


def measure(setting: Setting) -> Grid:
    """Measure the same calls in one process a set of backends, in turns."""
    found: Seconds = {subject: {clock: [] for clock in _CLOCKS} for subject in BACKENDS}
    with ExitStack() as stack:
        contenders = [stack.enter_context(Contender(setting, Spec(name))) for name in BACKENDS]
        for contender in contenders:
            contender.ask("warm_up")
        for round_ in range(setting.sizes.rounds):
            setting.say(f"backends: round {round_ + 1} of {setting.sizes.rounds}")
            # each round begins with another one, so that none always comes first
            turn = round_ % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                answer = contender.ask("latencies", calls=setting.sizes.calls)
                measured = found[contender.spec.subject]
                if isinstance(answer, NotRunnable):
                    found[contender.spec.subject] = answer
                elif not isinstance(measured, NotRunnable):
                    for clock, values in measured.items():
                        values.append(answer[clock])
    titles = [Spec(subject).title for subject in BACKENDS]
    rows = [row for clock in _CLOCKS for row in _rows(clock, found)]
    return Grid(["Chat model call", "unit", *titles], rows, _reasons(found))


def _rows(clock: str, found: Seconds) -> tuple[GridRow, GridRow]:
    title = _CLOCKS[clock]
    base = found[_BASE]
    assert not isinstance(base, NotRunnable)  # it needs nothing
    numbers: list[str] = []
    ratios: list[str] = []
    for measured in found.values():
        if isinstance(measured, NotRunnable):
            numbers.append("not runnable")
            ratios.append("–")
            continue
        numbers.append(in_digits(statistics.median(measured[clock]) * _MICROSECONDS))
        pairs = zip(measured[clock], base[clock], strict=True)
        times = Samples([value / none for value, none in pairs])
        noise = "" if times.noise is None else f" ±{times.noise:.0%}"
        ratios.append(f"{in_times(times.median)}{noise}")
    return GridRow([title, "µs", *numbers]), GridRow([title, "it / no backend", *ratios])


def _reasons(found: Seconds) -> list[str]:
    reasons = {each.reason for each in found.values() if isinstance(each, NotRunnable)}
    return [f"not runnable: {reason}" for reason in sorted(reasons)]
