"""CPU time added to the thread that calls LangChain."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.parts import Contender, Setting, Sizes
from benchmarks.spec import Spec
from benchmarks.table import COLUMNS, Cell, Column, NotRunnable, Result, Row, Samples

_MICROSECONDS: Final = 1e6
_SPECS: Final = tuple(
    Spec(subject, complexity)
    for complexity in (False, True)
    for subject in ("none", "bare", "ours", "old")
    if not complexity or subject in {"ours", "old"}
)


@dataclass(frozen=True, slots=True)
class _Workload:
    title: str
    do: str
    arguments: dict[str, Any]
    complexity_too: bool = False


def measure(setting: Setting) -> Result:
    """Measure every workload with every handler, in turns."""
    workloads = _workloads(setting.sizes)
    seconds: dict[tuple[str, Spec], list[float]] = {}
    failures: dict[Spec, NotRunnable] = {}
    notes: list[str] = []
    with ExitStack() as stack:
        contenders = [stack.enter_context(Contender(setting, spec)) for spec in _SPECS]
        for contender in contenders:
            contender.ask("warm_up")
            for workload in workloads:
                contender.ask(workload.do, **workload.arguments)
            contender.notes("the warm-up")
        for round_ in range(setting.sizes.rounds):
            setting.say(f"cpu: round {round_ + 1} of {setting.sizes.rounds}")
            # each round begins with another one, so that none always comes first
            turn = round_ % len(contenders)
            for workload in workloads:
                for contender in contenders[turn:] + contenders[:turn]:
                    if contender.spec.complexity and not workload.complexity_too:
                        continue
                    answer = contender.ask(workload.do, **workload.arguments)
                    if isinstance(answer, NotRunnable):
                        failures[contender.spec] = answer
                        continue
                    key = workload.title, contender.spec
                    seconds.setdefault(key, []).append(answer["each_s"])
                    if round_ == 0:
                        notes += contender.notes(f"{workload.title}, {answer['units']} runs")
    return Result(_rows(workloads, seconds, failures), notes)


def _workloads(sizes: Sizes) -> list[_Workload]:
    found = [
        _Workload(
            f"LLM call, {words} words", "llm_calls", {"words": words, "calls": sizes.calls}, True
        )
        for words in (20, 100, 500)
    ]
    tokens = {"tokens": sizes.stream_tokens, "streams": sizes.streams}
    found.append(_Workload("Streamed token", "stream", tokens))
    found.append(_Workload("Nested chain run", "chains", {"calls": sizes.chains}))
    return found


def _rows(
    workloads: list[_Workload],
    seconds: dict[tuple[str, Spec], list[float]],
    failures: dict[Spec, NotRunnable],
) -> list[Row]:
    rows: list[Row] = []
    for workload in workloads:
        for complexity in (False, True) if workload.complexity_too else (False,):
            title = workload.title
            if workload.complexity_too:
                title += f", complexity {'on' if complexity else 'off'}"
            none = seconds[workload.title, Spec("none")]
            cells: dict[Column, Cell] = {}
            for column in COLUMNS:
                spec = Spec(column, complexity and column != "bare")
                measured = seconds.get((workload.title, spec), [])
                added = [
                    (mine - other) * _MICROSECONDS
                    for mine, other in zip(measured, none, strict=False)
                ]
                cells[column] = failures.get(spec) or Samples(added)
            rows.append(Row(title, "added µs", cells))
    return rows
