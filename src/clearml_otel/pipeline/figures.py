"""A session's charts as plotly figures, which ClearML draws among the plots.

Names come from the data, and plotly reads some HTML in labels: they are escaped and kept short.
Source: plotly's figure reference, ``bar`` and ``box`` with given quartiles.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from clearml_otel.records.summaries import Group, Spread
from clearml_otel.records.timeline import Bar, Row, Timeline

Figure: TypeAlias = "dict[str, Any]"

_COLORS: Final = {"chain": "#9aa5b8", "llm": "#3f7cd6", "tool": "#3fa36b", "retriever": "#b07cc6"}
_OTHER: Final = "#c0c0c0"
_FAILED: Final = "#d64545"
_ROW_PX: Final = 22
_AROUND_PX: Final = 110
_WIDTH: Final = 0.75
_MARGIN: Final = {"t": 40, "b": 60}
_DEEPER: Final = "› "  # labels end at the axis: an indentation would not be seen
_LONGEST_NAME: Final = 60
_HOVER: Final = (
    ("model", "model"),
    ("input_tokens", "input tokens"),
    ("output_tokens", "output tokens"),
    ("time_to_first_chunk_s", "seconds to the first chunk"),
    ("start_step", "start step"),
    ("error_type", "error"),
)


def nothing() -> Figure:
    """A figure that takes the place of one that is no longer true."""
    return {"data": [{"type": "bar", "x": [], "y": []}], "layout": {}}


def waterfall(timeline: Timeline) -> Figure:
    """Bars on a time axis, a colour for each type of run and one for those that failed."""
    kinds: dict[str, list[tuple[int, Bar]]] = {}
    for place, bar in enumerate(timeline.bars):
        kind = "failed" if bar.run["status"] == "error" else str(bar.run["type"])
        kinds.setdefault(kind, []).append((place, bar))
    axis = {
        "tickmode": "array",
        "tickvals": list(range(len(timeline.bars))),
        "ticktext": list(map(_bar_label, timeline.bars)),
        "autorange": "reversed",
        "automargin": True,
    }
    layout = {
        "barmode": "overlay",
        "height": _AROUND_PX + _ROW_PX * len(timeline.bars),
        "xaxis": {"title": {"text": f"seconds since the trace began ({_shown(timeline)})"}},
        "yaxis": axis,
        "hovermode": "closest",
        "margin": _MARGIN,
    }
    return {"data": [_bars(kind, kinds[kind]) for kind in sorted(kinds)], "layout": layout}


def _shown(timeline: Timeline) -> str:
    if timeline.left_out:
        return f"the newest trace, without its last {timeline.left_out:,} runs"
    if timeline.traces < timeline.all_traces:
        return f"the newest {timeline.traces:,} of {timeline.all_traces:,} traces"
    return "all traces"


def latency(spreads: Mapping[Group, Spread]) -> Figure:
    """Boxes of how long the runs of each type and name took, the longest in all on top."""
    labels = [f"{_label(name)} ({kind}, {each.count:,})" for (kind, name), each in spreads.items()]
    box = {"type": "box", "orientation": "h", "y": labels, **_boxes(spreads.values())}
    layout = {
        "height": _AROUND_PX + 2 * _ROW_PX * len(labels),
        "xaxis": {"title": {"text": "seconds"}, "rangemode": "tozero"},
        "yaxis": {"autorange": "reversed", "automargin": True},
        "showlegend": False,
        "margin": _MARGIN,
    }
    return {"data": [{**box, "name": "duration"}], "layout": layout}


def tokens(by_model: Mapping[str, tuple[int, int]]) -> Figure:
    """Stacked bars of the tokens of each model."""
    models = list(map(_label, by_model))
    given, made = zip(*by_model.values(), strict=True) if by_model else ((), ())
    data = [
        {"type": "bar", "name": name, "x": models, "y": list(counts)}
        for name, counts in (("input tokens", given), ("output tokens", made))
    ]
    layout = {"barmode": "stack", "yaxis": {"title": {"text": "tokens"}, "rangemode": "tozero"}}
    return {"data": data, "layout": layout}


def readability(spreads: Mapping[str, Spread]) -> Figure:
    """Boxes of each metric over the answers, each in its own unit."""
    box = {"type": "box", "x": list(spreads), **_boxes(spreads.values())}
    answers = max((each.count for each in spreads.values()), default=0)
    layout = {
        "xaxis": {"automargin": True, "tickangle": -35},
        "yaxis": {"title": {"text": f"value, over {answers:,} answers"}},
        "showlegend": False,
    }
    return {"data": [{**box, "name": "metric"}], "layout": layout}


def _boxes(spreads: Iterable[Spread]) -> dict[str, list[float]]:
    found = list(spreads)
    return {
        "lowerfence": [each.least for each in found],
        "q1": [each.q1 for each in found],
        "median": [each.median for each in found],
        "q3": [each.q3 for each in found],
        "upperfence": [each.most for each in found],
        "mean": [each.mean for each in found],
    }


def _bars(kind: str, bars: list[tuple[int, Bar]]) -> Figure:
    color = _FAILED if kind == "failed" else _COLORS.get(kind, _OTHER)
    return {
        "type": "bar",
        "orientation": "h",
        "name": kind,
        "y": [place for place, _ in bars],
        "base": [bar.start_s for _, bar in bars],
        "x": [bar.run["duration_s"] or 0.0 for _, bar in bars],
        # by default it depends on how far the bars of one colour are apart
        "width": _WIDTH,
        # a line of its own keeps the shortest in sight
        "marker": {"color": color, "line": {"color": color, "width": 1}},
        "hovertext": [_hover(bar.run) for _, bar in bars],
        "hoverinfo": "text",
    }


def _bar_label(bar: Bar) -> str:
    label = f"{_DEEPER * bar.depth}{_label(bar.run['name'] or bar.run['type'])}"
    return label if bar.depth else f"{label} · {str(bar.run['trace_id'])[:8]}"


def _hover(run: Row) -> str:
    lines = [f"{_label(run['name'] or run['type'])} ({run['type']}, {run['status']})"]
    if run["duration_s"] is not None:
        lines.append(f"{run['duration_s']:.3f} s")
    lines += [f"{_label(run[key])} {words}" for key, words in _HOVER if run[key] is not None]
    return "<br>".join(lines)


def _label(name: object) -> str:
    text = str(name)
    short = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
    return html.escape(short, quote=False)
