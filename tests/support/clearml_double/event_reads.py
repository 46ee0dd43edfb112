"""events.*: the endpoints that read logs, plots, scalars and debug images back."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timezone

from .endpoints import Call, endpoint
from .errors import ApiError, data_error
from .events import IMAGE, LOG, PLOT, SCALAR, float32
from .store import Document, Store, StoredEvent

SINGLE_VALUE_ITERATION = -(2**31)
_MAX_ITERS = 100
_NO_MORE = "FFFF"


def _entity_events(call: Call, entity: str, event_type: str | None) -> list[StoredEvent]:
    """The events of an existing task, or model when the request says so; oldest first."""
    if call.body.get("model_events"):
        call.store.model(entity)
    else:
        call.store.task(entity)
    return call.store.events_of(entity, event_type)


def _wanted(events: Iterable[StoredEvent], metrics: list[Document] | None) -> list[StoredEvent]:
    """The events of the named metrics and variants; all without names."""
    if not metrics:
        return list(events)
    return [
        event
        for event in events
        if any(
            item.get("metric") in (None, event.body.get("metric"))
            and (not item.get("variants") or event.body.get("variant") in item["variants"])
            for item in metrics
        )
    ]


def _series(events: Iterable[StoredEvent]) -> dict[tuple[str, str], list[StoredEvent]]:
    groups: dict[tuple[str, str], list[StoredEvent]] = defaultdict(list)
    for event in events:
        groups[event.body.get("metric") or "", event.body.get("variant") or ""].append(event)
    return dict(sorted(groups.items()))


def _iteration(event: StoredEvent) -> int:
    return event.body.get("iter") or 0


def _last_iterations(events: list[StoredEvent], count: int) -> list[Document]:
    """The newest iterations of each metric and variant."""
    if count > _MAX_ITERS:
        raise data_error(f"Top hits result window is too large: {count} > {_MAX_ITERS}")
    latest: list[Document] = []
    for series in _series(events).values():
        newest_first = sorted(series, key=_iteration, reverse=True)
        latest += [event.as_read() for event in newest_first[:count]]
    return latest


@endpoint("events.get_task_plots")
def get_task_plots(call: Call) -> Document:
    events = _wanted(_entity_events(call, call.body["task"], PLOT), call.body.get("metrics"))
    if call.body.get("scroll_id") == _NO_MORE:
        events = []
    plots = _last_iterations(events, call.body.get("iters") or 1)
    return {"plots": plots, "returned": len(plots), "total": len(events), "scroll_id": _NO_MORE}


@endpoint("events.get_multi_task_plots")
def get_multi_task_plots(call: Call) -> Document:
    plots: Document = {}
    total = 0
    for task_id in call.body["tasks"]:
        events = _entity_events(call, task_id, PLOT)
        total += len(events)
        for plot in _last_iterations(events, call.body.get("iters") or 1):
            place = plots.setdefault(plot.get("metric") or "", {})
            place = place.setdefault(plot.get("variant") or "", {}).setdefault(task_id, {})
            name = call.store.tasks[task_id]["name"]
            entry = place.setdefault(str(plot.get("iter") or 0), {"name": name, "plots": []})
            entry["plots"].append(plot)
    return {"plots": plots, "returned": total, "total": total, "scroll_id": _NO_MORE}


@endpoint("events.get_task_log")
def get_task_log(call: Call) -> Document:
    body = call.body
    events = _entity_events(call, body["task"], LOG)
    earlier = body.get("navigate_earlier", True)
    start = body.get("from_timestamp")
    if start is not None:
        events = [
            event
            for event in events
            if (event.timestamp < start if earlier else event.timestamp > start)
        ]
    size = body.get("batch_size") or 500
    chosen = events[-size:] if earlier else events[:size]
    descending = body.get("order") == "desc" or (earlier and body.get("order") is None)
    lines = [event.as_read() for event in (reversed(chosen) if descending else chosen)]
    return {"events": lines, "returned": len(lines), "total": len(events)}


@endpoint("events.get_task_events")
def get_task_events(call: Call) -> Document:
    """Pages by a scroll id that holds the position of the next event."""
    events = _entity_events(call, call.body["task"], call.body.get("event_type"))
    if call.body.get("order") == "desc":
        events.reverse()
    scroll_id = call.body.get("scroll_id")
    start = 0
    if scroll_id:
        try:
            start = json.loads(base64.urlsafe_b64decode(scroll_id))["next"]
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(400, 1104, "Invalid scroll id", scroll_id=scroll_id) from error
    page = events[start : start + (call.body.get("batch_size") or 500)]
    position = json.dumps({"next": start + len(page)}).encode()
    return {
        "events": [event.as_read() for event in page],
        "returned": len(page),
        "total": len(events),
        "scroll_id": base64.urlsafe_b64encode(position).decode(),
    }


@endpoint("events.get_task_metrics")
def get_task_metrics(call: Call) -> Document:
    found = []
    for task_id in call.body["tasks"]:
        events = _entity_events(call, task_id, call.body.get("event_type"))
        names = sorted({event.body.get("metric") or "" for event in events if event.type != LOG})
        found.append({"task": task_id, "metrics": names})
    return {"metrics": found}


def _scalars(call: Call, task_id: str, metrics: list[Document] | None) -> list[StoredEvent]:
    events = _wanted(_entity_events(call, task_id, SCALAR), metrics)
    return [event for event in events if event.body.get("value") is not None]


def _axis_value(event: StoredEvent, key: str) -> float | str:
    if key == "iso_time":
        moment = datetime.fromtimestamp(event.timestamp / 1000, timezone.utc)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event.timestamp if key == "timestamp" else _iteration(event)


def _histogram(
    events: list[StoredEvent], key: str, samples: int
) -> dict[tuple[str, str], Document]:
    """x and y of each series, thinned to `samples` points by averaging neighbours."""
    drawn: dict[tuple[str, str], Document] = {}
    for place, series in _series(events).items():
        series = sorted(series, key=lambda event: _axis_value(event, key))
        step = max(1, -(-len(series) // samples)) if samples else 1
        groups = [series[start : start + step] for start in range(0, len(series), step)]
        drawn[place] = {
            "name": place[1],
            "x": [_axis_value(group[0], key) for group in groups],
            "y": [
                sum(float32(event.body["value"]) for event in group) / len(group)
                for group in groups
            ],
        }
    return drawn


def _without_single_values(events: list[StoredEvent]) -> list[StoredEvent]:
    return [event for event in events if _iteration(event) != SINGLE_VALUE_ITERATION]


@endpoint("events.scalar_metrics_iter_histogram")
def scalar_metrics_iter_histogram(call: Call) -> Document:
    body = call.body
    events = _without_single_values(_scalars(call, body["task"], body.get("metrics")))
    answer: Document = {}
    drawn = _histogram(events, body.get("key") or "iter", body.get("samples", 6000))
    for (metric, variant), series in drawn.items():
        answer.setdefault(metric, {})[variant] = series
    return answer


@endpoint("events.multi_task_scalar_metrics_iter_histogram")
def multi_task_scalar_metrics_iter_histogram(call: Call) -> Document:
    answer: Document = {}
    for task_id in call.body["tasks"]:
        events = _without_single_values(_scalars(call, task_id, None))
        drawn = _histogram(events, call.body.get("key") or "iter", call.body.get("samples", 6000))
        for (metric, variant), series in drawn.items():
            named = {**series, "name": call.store.tasks[task_id]["name"]}
            answer.setdefault(metric, {}).setdefault(variant, {})[task_id] = named
    return answer


@endpoint("events.scalar_metrics_iter_raw")
def scalar_metrics_iter_raw(call: Call) -> Document:
    """All points in one answer, whatever the batch size."""
    events = _scalars(call, call.body["task"], [call.body["metric"]])
    if call.body.get("scroll_id") == _NO_MORE:
        events = []
    key = call.body.get("key") or "iter"
    variants = {
        variant: {
            key: [_axis_value(event, key) for event in series],
            "y": [event.body["value"] for event in series],
        }
        for (_, variant), series in _series(events).items()
    }
    total = len(events) if call.body.get("count_total") else None
    return {"variants": variants, "returned": len(events), "total": total, "scroll_id": _NO_MORE}


@endpoint("events.get_scalar_metric_data")
def get_scalar_metric_data(call: Call) -> Document:
    metric = call.body.get("metric")
    events = _scalars(call, call.body["task"], [{"metric": metric}] if metric else None)
    if call.body.get("scroll_id") == _NO_MORE:
        events = []
    shown = [event.as_read() for event in events]
    return {"events": shown, "returned": len(shown), "total": len(shown), "scroll_id": _NO_MORE}


@endpoint("events.get_scalar_metrics_and_variants")
def get_scalar_metrics_and_variants(call: Call) -> Document:
    names: dict[str, list[str]] = {}
    for metric, variant in _series(_scalars(call, call.body["task"], None)):
        names.setdefault(metric, []).append(variant)
    return {"metrics": names}


@endpoint("events.get_task_latest_scalar_values")
def get_task_latest_scalar_values(call: Call) -> Document:
    metrics: dict[str, list[Document]] = {}
    for (metric, variant), series in _series(_scalars(call, call.body["task"], None)).items():
        values = [float32(event.body["value"]) for event in series[-100:]]
        latest = {"name": variant, "last_value": values[-1]}
        latest["last_100_value"] = sum(values) / len(values)
        metrics.setdefault(metric, []).append(latest)
    return {"metrics": [{"name": name, "variants": items} for name, items in metrics.items()]}


@endpoint("events.get_task_single_value_metrics")
def get_task_single_value_metrics(call: Call) -> Document:
    found = []
    for task_id in call.body["tasks"]:
        values = [
            {
                "metric": event.body.get("metric") or "",
                "variant": event.body.get("variant") or "",
                "value": event.body["value"],
                "timestamp": event.timestamp,
            }
            for event in _scalars(call, task_id, None)
            if _iteration(event) == SINGLE_VALUE_ITERATION
        ]
        if values:
            found.append({"task": task_id, "values": values})
    return {"tasks": found}


def _by_iteration(store: Store, body: Document, kind: str) -> Document:
    """Newest iterations first, for each task and metric that was asked for."""
    found = []
    for item in body["metrics"]:
        events = _wanted(store.events_of(item["task"], kind), [item])
        if body.get("scroll_id") == _NO_MORE:
            events = []
        iterations = sorted({_iteration(event) for event in events}, reverse=True)
        shown = [
            {
                "iter": number,
                "events": [event.as_read() for event in events if _iteration(event) == number],
            }
            for number in iterations[: body.get("iters") or 1]
        ]
        found.append({"task": item["task"], "iterations": shown})
    return {"metrics": found, "scroll_id": _NO_MORE}


@endpoint("events.debug_images")
def debug_images(call: Call) -> Document:
    return _by_iteration(call.store, call.body, IMAGE)


@endpoint("events.plots")
def plots(call: Call) -> Document:
    return _by_iteration(call.store, call.body, PLOT)


@endpoint("events.delete_for_task")
def delete_for_task(call: Call) -> Document:
    call.store.task(call.body["task"])
    call.store.drop_events(call.body["task"])
    return {"deleted": True}
