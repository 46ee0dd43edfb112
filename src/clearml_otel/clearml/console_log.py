"""What of a task's console output the server has already.

ClearML gives each console event an id of its own, so that what is sent again stands there twice. A
call that failed may have been carried out all the same: its answer was lost. So before such events
are sent again, those that the server has are left out. What remains: a server that has accepted an
event shows it up to a second later, and one that is asked in between says that it has none.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from clearml_otel.clearml.connection import Connection
from clearml_otel.clearml.transport import Event

_PAGE = 500
_MOST_PAGES = 20


def missing_lines(connection: Connection, task_id: str, batch: list[Event]) -> list[Event]:
    """The events of a batch that are not in the task's log, by time and message.

    Raises:
        TransportError: the server cannot be asked.
    """
    last = max(int(event["timestamp"]) for event in batch)
    after = min(int(event["timestamp"]) for event in batch) - 1
    known: Counter[tuple[int, str]] = Counter()
    for _ in range(_MOST_PAGES):
        answer = connection.call(
            "events.get_task_log",
            task=task_id,
            batch_size=_PAGE,
            navigate_earlier=False,
            order="asc",
            from_timestamp=after,
        )
        page: list[dict[str, Any]] = answer.get("events") or []
        known.update((int(each["timestamp"]), str(each.get("msg", ""))) for each in page)
        if len(page) < _PAGE:
            break
        after = int(page[-1]["timestamp"])
        if after > last:
            break
    missing: list[Event] = []
    for event in batch:
        key = int(event["timestamp"]), str(event["msg"])
        if known[key]:
            known[key] -= 1
        else:
            missing.append(event)
    return missing
