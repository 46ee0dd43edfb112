"""What a flush costs until all is delivered: by the clock, in CPU time and in memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from benchmarks.parts import Contender, Setting, Sizes
from benchmarks.spec import Spec
from benchmarks.table import Cell, Column, NotRunnable, Result, Row, Samples

_WORDS: Final = 40
_RECORDS_OF_CALL: Final = 2
_MEGABYTE: Final = 1e6
_TIMES: Final = {"wall": "wall", "thread": "app thread", "process": "process"}


@dataclass(frozen=True, slots=True)
class _Case:
    records: int
    complexity: bool

    @property
    def title(self) -> str:
        return f"Flush, {self.records:,} records" + (", complexity on" if self.complexity else "")


@dataclass(frozen=True, slots=True)
class _Job:
    """Flushes of one process."""

    column: Column
    cases: tuple[_Case, ...]


_Answer: TypeAlias = "dict[str, Any] | NotRunnable"


def measure(setting: Setting) -> Result:
    """Measure flushes of each size; ours and the old handler's alternate."""
    cases = [_Case(records, complexity=False) for records in setting.sizes.flush_records]
    cases.append(_Case(setting.sizes.flush_records[1], complexity=True))
    jobs = _jobs(cases, setting.sizes)
    with ThreadPoolExecutor(setting.sizes.jobs) as pool:
        answers = list(pool.map(partial(_flushes, setting), jobs))
    found: dict[tuple[_Case, Column], list[_Answer]] = {}
    result = Result()
    for job, by_case in zip(jobs, answers, strict=True):
        for case, answer in by_case.items():
            found.setdefault((case, job.column), []).append(answer)
            if not isinstance(answer, NotRunnable):
                result.notes += answer["notes"]
    for case in cases:
        for key, title in _TIMES.items():
            cells: dict[Column, Cell] = {
                "ours": _cell(found[case, "ours"], key),
                "old": _cell(found[case, "old"], key),
            }
            result.rows.append(Row(f"{case.title}: {title}", "s", cells))
        peaks: dict[Column, Cell] = {
            "ours": _cell(found[case, "ours"], "peak"),
            "old": _cell(found[case, "old"], "peak"),
        }
        result.rows.append(Row(f"{case.title}: peak RSS, grown", "MB", peaks))
    return result


def _jobs(cases: Sequence[_Case], sizes: Sizes) -> list[_Job]:
    columns: tuple[Column, ...] = ("ours", "old")
    if sizes.share_processes:
        groups = [tuple(case for case in cases if case.complexity is on) for on in (False, True)]
    else:
        groups = [(case,) for case in cases for _ in range(sizes.flush_rounds)]
    return [_Job(column, group) for group in groups for column in columns]


def _flushes(setting: Setting, job: _Job) -> dict[_Case, _Answer]:
    spec = Spec(job.column, job.cases[0].complexity)
    with Contender(setting, spec) as contender:
        contender.ask("warm_up", flush=setting.sizes.warm_flush)
        return {case: _flush(setting, contender, case) for case in job.cases}


def _flush(setting: Setting, contender: Contender, case: _Case) -> _Answer:
    setting.say(f"{case.title}: {contender.spec.title}")
    start = contender.ask("memory")
    contender.ask("llm_calls", words=_WORDS, calls=case.records // _RECORDS_OF_CALL)
    answer = contender.ask("flush")
    # before the rows are read back
    end = contender.ask("memory")
    published = contender.ask("published_rows")
    if isinstance(start, NotRunnable):
        return start
    if isinstance(answer, NotRunnable):
        return answer
    if isinstance(end, NotRunnable):
        return end
    if isinstance(published, NotRunnable):
        return published
    notes = contender.notes(case.title)
    if published["rows"] < case.records:
        whose = contender.spec.title
        notes.append(f"{whose}, {case.title}: only {published['rows']:,} rows were published")
    # of the handler's own process, without those that ClearML forks
    peak = (end["peak"] - start["rss"]) / _MEGABYTE
    return {**answer, "peak": peak, "notes": notes}


def _cell(answers: Sequence[_Answer], key: str) -> Cell:
    failed = next((answer for answer in answers if isinstance(answer, NotRunnable)), None)
    values = [answer[key] for answer in answers if not isinstance(answer, NotRunnable)]
    return failed or Samples(values)
