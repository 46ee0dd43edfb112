"""The charts of a session: four plots over its runs, and a scalar point for each model call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clearml_otel.clearml import events
from clearml_otel.clearml.transport import Event, Transport
from clearml_otel.diagnostics import report
from clearml_otel.pipeline import figures
from clearml_otel.pipeline.delivery import Step
from clearml_otel.records import SessionTables
from clearml_otel.records.summaries import (
    ModelCall,
    durations,
    model_calls,
    readability_spreads,
    tokens_by_model,
)
from clearml_otel.records.timeline import timeline

WATERFALL: Final = "Trace Waterfall"
LATENCY: Final = "Latency"
TOKENS: Final = "Tokens"
READABILITY: Final = "Readability"

_MOST_GROUPS: Final = 30
_EVERY_CALL_UP_TO: Final = 5_000
_THEN_EVERY: Final = 10
_SCALARS: Final[Mapping[str, str]] = {
    "LLM duration (s)": "duration_s",
    "LLM time to first chunk (s)": "time_to_first_chunk_s",
    "LLM input tokens": "input_tokens",
    "LLM output tokens": "output_tokens",
}


def chart_plots(
    label: str, tables: SessionTables, timestamp_ms: int, before: Collection[str] = ()
) -> dict[str, Event]:
    """The plots that there is something to draw in, by title.

    Args:
        label: the session's series.
        tables: its tables.
        timestamp_ms: milliseconds since the epoch.
        before: titles of what was drawn of the session before: what has nothing to show any more
            is emptied.
    """
    drawn: dict[str, figures.Figure] = {title: figures.nothing() for title in before}
    if (line := timeline(tables.runs)).bars:
        drawn[WATERFALL] = figures.waterfall(line)
    if spreads := durations(tables.runs, _MOST_GROUPS):
        drawn[LATENCY] = figures.latency(spreads)
    if by_model := tokens_by_model(tables.runs):
        drawn[TOKENS] = figures.tokens(by_model)
    if metrics := readability_spreads(tables):
        drawn[READABILITY] = figures.readability(metrics)
    return {
        title: events.plotly_plot(title, label, figure, timestamp_ms=timestamp_ms)
        for title, figure in drawn.items()
    }


def call_scalars(
    label: str, calls: Sequence[ModelCall], done: Sequence[str], timestamp_ms: int
) -> list[Event]:
    """The points of the calls that are not in ClearML yet; iteration n is the nth call to end.

    ClearML draws no more than some thousand points: of very many calls every tenth is one.

    Args:
        label: the session's series.
        calls: all of its calls.
        done: the ids of those that are in ClearML, in their order there.
        timestamp_ms: milliseconds since the epoch.
    """
    found: list[Event] = []
    for number, call in enumerate(calls, 1):
        if number <= len(done) and done[number - 1] == call.run_id:
            continue
        if number > _EVERY_CALL_UP_TO and number % _THEN_EVERY:
            continue
        for title, name in _SCALARS.items():
            value: float | None = getattr(call, name)
            if value is not None:
                point = events.scalar(
                    title, label, value, iteration=number, timestamp_ms=timestamp_ms
                )
                found += [point] if point is not None else []
    return found


@dataclass(slots=True)
class Drawn:
    """What of a session's charts is in ClearML: titles of plots, and ids of calls in order."""

    titles: set[str] = field(default_factory=set[str])
    calls: Sequence[str] = ()


def charts_step(
    label: str, tables: SessionTables, drawn: Drawn, timestamp_ms: int, *, scalars: bool = True
) -> Step:
    """Draws a session's charts.

    Args:
        label: the session's series.
        tables: its tables.
        drawn: what was drawn before; it is brought up to date.
        timestamp_ms: milliseconds since the epoch.
        scalars: whether the series is final: ClearML cannot take points back.
    """

    def send(transport: Transport) -> None:
        try:
            plots = chart_plots(label, tables, timestamp_ms, drawn.titles)
            calls = model_calls(tables.runs) if scalars else []
            points = call_scalars(label, calls, drawn.calls, timestamp_ms)
        except Exception as error:  # noqa: BLE001 - the tables are worth more than their charts
            report(
                "charts.failed",
                f"the charts of session {label!r} could not be drawn ({type(error).__name__}: "
                f"{error}); its tables are not touched by it; charts=False switches them off",
                exc_info=True,
            )
            return
        drawn.titles |= plots.keys()
        for batch in events.batches([*plots.values(), *points]):
            transport.send(batch)
        drawn.calls = [call.run_id for call in calls]

    return send
