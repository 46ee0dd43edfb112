"""What the double remembers: projects, tasks, models, queues, events and files."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .errors import ApiError, invalid_model_id, invalid_project_id, invalid_task_id, too_short

Document = dict[str, Any]

USER_ID = "double-user"
COMPANY_ID = "double-company"
MIN_NAME_LENGTH = 3


def new_id() -> str:
    return uuid.uuid4().hex


def now_iso() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it was sent (`body`) with what the server adds beside it."""

    id: str
    entity: str
    type: str
    worker: str
    received_ms: int
    body: Document

    @property
    def timestamp(self) -> float:
        return self.body.get("timestamp") or self.received_ms

    def as_read(self) -> Document:
        """The event as the reading endpoints show it: with time and worker filled in."""
        return {"worker": self.worker, **self.body, "timestamp": self.timestamp}


@dataclass(slots=True)
class Store:
    """All state of one double. Guarded by the lock of the double's journal."""

    projects: dict[str, Document] = field(default_factory=dict)
    tasks: dict[str, Document] = field(default_factory=dict)
    models: dict[str, Document] = field(default_factory=dict)
    queues: dict[str, Document] = field(default_factory=dict)
    events: dict[tuple[str, str], StoredEvent] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def task(self, task_id: object) -> Document:
        return _found(self.tasks, task_id, invalid_task_id(task_id))

    def model(self, model_id: object) -> Document:
        return _found(self.models, model_id, invalid_model_id(model_id))

    def project(self, project_id: object) -> Document:
        return _found(self.projects, project_id, invalid_project_id(project_id))

    def put_event(self, event: StoredEvent) -> None:
        """Store an event; one of the same type and id is replaced and becomes the newest."""
        key = (event.type, event.id)
        self.events.pop(key, None)
        self.events[key] = event

    def events_of(self, entity: str, event_type: str | None = None) -> list[StoredEvent]:
        """The events of a task or model, oldest first."""
        found = [
            event
            for event in self.events.values()
            if event.entity == entity and event_type in (None, event.type)
        ]
        return sorted(found, key=lambda event: event.timestamp)

    def drop_events(self, entity: str) -> int:
        gone = [key for key, event in self.events.items() if event.entity == entity]
        for key in gone:
            del self.events[key]
        return len(gone)


def _found(documents: dict[str, Document], document_id: object, missing: ApiError) -> Document:
    document = documents.get(document_id) if isinstance(document_id, str) else None
    if document is None:
        raise missing
    return document


def checked_name(kind: str, name: str) -> str:
    """The stripped name.

    Raises:
        ApiError: 400/800 when fewer than three characters are left.
    """
    stripped = name.strip()
    if len(stripped) < MIN_NAME_LENGTH:
        raise too_short(kind)
    return stripped


def merge_given(document: Document, given: Document, fields: frozenset[str]) -> Document:
    """Copy the fields that were sent with a value into `document`; returns what changed."""
    changed = {name: value for name, value in given.items() if name in fields and value is not None}
    document.update(changed)
    return changed
