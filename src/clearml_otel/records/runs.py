"""One row of the runs table: what the page's tables have no column for."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from clearml_otel.conventions import Run
from clearml_otel.records.actions import Cell
from clearml_otel.records.columns import RUNS

_in_order: Final[Any] = itemgetter(*RUNS)


def run_row(run: Run, start_step: int | None, end_step: int | None) -> tuple[Cell, ...]:
    """The cells of a run in the order of :data:`~clearml_otel.records.columns.RUNS`.

    Args:
        run: the run.
        start_step: the step of its start record, which joins it to the action table.
        end_step: likewise of its end or error record.
    """
    span = run.span
    reasons = [item.finish_reason for item in run.generations if item.finish_reason]
    cells: dict[str, Cell] = {
        "start_step": start_step,
        "end_step": end_step,
        "run_id": run.run_id,
        "parent_run_id": run.parent_run_id,
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "type": run.kind,
        "name": run.name,
        "model": run.model,
        "start_time": _iso(span.start_time_ns),
        "duration_s": _seconds(span.start_time_ns, span.end_time_ns),
        "time_to_first_chunk_s": run.time_to_first_chunk_s,
        "stream_tokens": run.stream_tokens or None,
        "input_tokens": run.usage.input_tokens,
        "output_tokens": run.usage.output_tokens,
        "total_tokens": run.usage.total_tokens,
        "finish_reason": ", ".join(reasons) or None,
        "status": _status(run),
        "error_type": run.error_type,
        "error_message": run.error_message,
        "tags": ", ".join(run.tags) or None,
        "metadata": run.metadata,
        "readability": run.readability,
        "lost": _lost(run),
    }
    return _in_order(cells)


def _status(run: Run) -> str:
    if run.failed:
        return "error"
    if run.interrupted:
        return "interrupted"
    return "ok" if run.has_end else "unfinished"


def _lost(run: Run) -> str | None:
    """What span limits, LangChain or our own size limit kept from us: the run is told in part."""
    span = run.span
    if run.has_start and not (span.dropped_attributes or span.dropped_events or run.truncated):
        return None
    losses = [
        f"{count} {what}"
        for count, what in (
            (span.dropped_attributes, "attributes"),
            (span.dropped_events, "events"),
            (0 if run.has_start else 1, "start"),
        )
        if count
    ]
    if run.truncated:
        losses.append(f"cut: {' '.join(run.truncated)}")
    return ", ".join(losses) or None


def _iso(time_ns: int) -> str:
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return f"{_iso_second(seconds)}.{nanoseconds // 1000:06d}Z"


@lru_cache(maxsize=1024)
def _iso_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None).isoformat()


def _seconds(start_ns: int, end_ns: int | None) -> float | None:
    return None if end_ns is None else (end_ns - start_ns) / 1e9
