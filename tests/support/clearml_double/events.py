"""events.add and events.add_batch: what is stored, replaced, refused and counted."""

from __future__ import annotations

import hashlib
import math
import struct
from collections import Counter
from typing import Any

from .endpoints import Call, endpoint
from .errors import batch_contains_no_items, data_error, events_not_added, validation_error
from .store import Document, Store, StoredEvent, new_id, now_ms
from .tasks import touch

SCALAR = "training_stats_scalar"
IMAGE = "training_debug_image"
PLOT = "plot"
LOG = "log"

_LOCKED_STATUSES = ("publishing", "published")
_ID_FIELDS = ("task", "iter", "metric", "variant", "key")
_METRICS_WITHOUT_ITERATIONS = (":monitor:machine", ":monitor:gpu")
_MAX_LONG = 2**63 - 1


def float32(value: float) -> float:
    """The value as the server's index holds it.

    Raises:
        OverflowError: When it is too large for 32 bits.
    """
    return struct.unpack("<f", struct.pack("<f", value))[0]


def event_id(event: Document) -> str:
    """The id that makes a later event with the same place in the plots replace this one."""
    if event["type"] == LOG:
        return new_id()
    place = {**event, "metric": event.get("metric") or "", "variant": event.get("variant") or ""}
    text = "-".join(str(place[name]) for name in _ID_FIELDS if name in place)
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


@endpoint("events.add")
def add(call: Call) -> Document:
    return _add_events(call.store, [call.body], call.worker)


@endpoint("events.add_batch")
def add_batch(call: Call) -> Document:
    if not call.body:
        raise batch_contains_no_items()
    return _add_events(call.store, call.body, call.worker)


def _add_events(store: Store, events: list[Document], worker: str) -> Document:
    writable = _writable_entities(store, events)
    reasons: Counter[str] = Counter()
    accepted: list[StoredEvent] = []
    for event in events:
        reason = _refusal(event, writable)
        if reason:
            reasons[reason] += 1
        else:
            accepted.append(_stored(event, worker))
    _check_values(accepted)
    for event in accepted:
        store.put_event(event)
        _update_statistics(store, event)
    if not accepted:
        raise events_not_added(dict(reasons))
    return {"added": len(accepted), "errors": reasons.total(), "errors_info": dict(reasons)}


def _writable_entities(store: Store, events: list[Document]) -> set[str]:
    """The ids among the events' tasks and models that exist and are not locked."""
    flags: dict[str, tuple[bool, bool]] = {}
    for event in events:
        entity = event["task"]
        flag = (bool(event.get("allow_locked")), bool(event.get("model_event")))
        if flags.setdefault(entity, flag) != flag:
            raise validation_error(f"Inconsistent allow_locked or model_event for {entity}")
    writable: set[str] = set()
    for entity, (allow_locked, is_model) in flags.items():
        document = (store.models if is_model else store.tasks).get(entity)
        if document is None:
            continue
        locked = document["ready"] if is_model else document["status"] in _LOCKED_STATUSES
        if allow_locked or not locked:
            writable.add(entity)
    return writable


def _refusal(event: Document, writable: set[str]) -> str | None:
    """Why the server leaves this event out, or None."""
    is_model = bool(event.get("model_event"))
    if is_model and event["type"] == LOG:
        return "Task log events are not supported for models"
    if event["task"] not in writable:
        return f"Invalid {'model' if is_model else 'task'} id {event['task']}"
    return None


def _stored(event: Document, worker: str) -> StoredEvent:
    body = {name: value for name, value in event.items() if name != "allow_locked"}
    return StoredEvent(
        id=event_id(event),
        entity=event["task"],
        type=event["type"],
        worker=worker,
        received_ms=now_ms(),
        body=body,
    )


def _check_values(events: list[StoredEvent]) -> None:
    """One value the index cannot hold fails the whole batch."""
    for event in events:
        if event.type == SCALAR and not is_scalar(event.body.get("value")):
            raise data_error(f"failed to parse field [value] of type [float]: {event.body}")
        iteration = event.body.get("iter")
        if iteration is not None and abs(iteration) > _MAX_LONG:
            raise data_error(f"Iteration number should not exceed {_MAX_LONG}")


def is_scalar(value: Any) -> bool:
    """Whether the server's index can hold this as the value of a scalar."""
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float32(value))
    except OverflowError:
        return False


def _update_statistics(store: Store, event: StoredEvent) -> None:
    document = store.tasks.get(event.entity) or store.models[event.entity]
    touch(document, change=False)
    iteration = event.body.get("iter")
    if iteration is not None and event.body.get("metric") not in _METRICS_WITHOUT_ITERATIONS:
        document["last_iteration"] = max(document.get("last_iteration") or 0, iteration)
    if event.type == SCALAR and event.body.get("value") is not None:
        _update_last_metrics(document, event)


def _update_last_metrics(document: Document, event: StoredEvent) -> None:
    metric, variant = event.body.get("metric") or "", event.body.get("variant") or ""
    variants = document.setdefault("last_metrics", {}).setdefault(_hashed(metric), {})
    value, iteration = event.body["value"], event.body.get("iter") or 0
    last = variants.setdefault(
        _hashed(variant),
        {
            "metric": metric,
            "variant": variant,
            "min_value": value,
            "min_value_iteration": iteration,
            "max_value": value,
            "max_value_iteration": iteration,
        },
    )
    last["value"] = value
    if value < last["min_value"]:
        last.update(min_value=value, min_value_iteration=iteration)
    if value > last["max_value"]:
        last.update(max_value=value, max_value_iteration=iteration)


def _hashed(name: str) -> str:
    return hashlib.md5(name.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
