"""Memory held by what was recorded and not flushed, and by what is left after the flush."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

from benchmarks.parts import Contender, Setting
from benchmarks.spec import Spec
from benchmarks.table import COLUMNS, Cell, Column, NotRunnable, Result, Row, Samples

_WORDS: Final = 100
_MEGABYTE: Final = 1e6
_ROWS: Final = {
    "live, before the flush": ("before", "live"),
    "live, after the flush": ("after", "live"),
    "RSS, before the flush": ("before", "rss"),
    "RSS, after the flush": ("after", "rss"),
    "RSS, peak": ("after", "peak"),
}

_Growth: TypeAlias = "dict[tuple[str, str], float] | NotRunnable"


def measure(setting: Setting) -> Result:
    """Measure each handler in two processes: tracing allocations takes memory itself."""
    ways = (True,) if setting.sizes.share_processes else (True, False)
    jobs: list[tuple[Column, bool]] = [(column, traced) for column in COLUMNS for traced in ways]
    with ThreadPoolExecutor(setting.sizes.jobs) as pool:
        futures = {job: pool.submit(_grow, setting, *job) for job in jobs}
    found = {job: future.result() for job, future in futures.items()}
    calls = f"{setting.sizes.memory_calls:,} calls"
    result = Result()
    for title, (moment, kind) in _ROWS.items():
        traced = kind == "live" or setting.sizes.share_processes
        cells: dict[Column, Cell] = {
            column: _cell(found[column, traced], moment, kind) for column in COLUMNS
        }
        result.rows.append(Row(f"Memory, {calls}: {title}", "MB", cells))
    return result


def _grow(setting: Setting, column: Column, traced: bool) -> _Growth:
    """Bytes more than at the start, by moment and kind."""
    setting.say(f"Memory, {'live' if traced else 'RSS'}: {column}")
    with Contender(setting, Spec(column)) as contender:
        contender.ask("warm_up", flush=setting.sizes.warm_flush)
        # the model makes its texts in its first call
        contender.ask("llm_calls", words=_WORDS, calls=1)
        if traced:
            contender.ask("trace_memory")
        start = contender.ask("memory")
        contender.ask("llm_calls", words=_WORDS, calls=setting.sizes.memory_calls)
        moments: dict[str, dict[str, Any] | NotRunnable] = {"before": contender.ask("memory")}
        contender.ask("flush")
        moments["after"] = contender.ask("memory")
    if isinstance(start, NotRunnable):
        return start
    bases = {"live": start["live"], "rss": start["rss"], "peak": start["rss"]}
    growth: dict[tuple[str, str], float] = {}
    for moment, answer in moments.items():
        if isinstance(answer, NotRunnable):
            return answer
        growth |= {(moment, kind): answer[kind] - base for kind, base in bases.items()}
    return growth


def _cell(growth: _Growth, moment: str, kind: str) -> Cell:
    if isinstance(growth, NotRunnable):
        return growth
    return Samples([growth[moment, kind] / _MEGABYTE])
