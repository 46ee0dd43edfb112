"""projects.* and the few queues.* endpoints that reading clients use."""

from __future__ import annotations

from .endpoints import Call, endpoint
from .errors import ApiError, already_exists, invalid_queue_id
from .queries import select
from .store import (
    COMPANY_ID,
    USER_ID,
    Document,
    Store,
    checked_name,
    merge_given,
    new_id,
    now_iso,
)

DEFAULT_QUEUE = "default"
_EDITABLE = frozenset({"name", "description", "tags", "system_tags", "default_output_destination"})


def _by_name(store: Store, name: str) -> Document | None:
    return next((item for item in store.projects.values() if item["name"] == name), None)


def _add(store: Store, name: str, given: Document) -> Document:
    """Create a project and the parents its path names."""
    parent_name = name.rpartition("/")[0]
    parent = None
    if parent_name:
        parent = _by_name(store, parent_name) or _add(
            store, checked_name("Project", parent_name), {}
        )
    project: Document = {
        "id": new_id(),
        "basename": name.rpartition("/")[2],
        "description": "",
        "user": USER_ID,
        "company": COMPANY_ID,
        "tags": [],
        "system_tags": [],
        "created": now_iso(),
        "last_update": now_iso(),
        "parent": parent["id"] if parent else None,
    }
    merge_given(project, given, _EDITABLE)
    project["name"] = name
    store.projects[project["id"]] = project
    return project


@endpoint("projects.create")
def create(call: Call) -> Document:
    name = checked_name("Project", call.body["name"])
    if _by_name(call.store, name):
        raise already_exists("Project", name)
    return {"id": _add(call.store, name, call.body)["id"]}


@endpoint("projects.get_all", "projects.get_all_ex")
def get_all(call: Call) -> Document:
    body = call.body
    projects = [
        project
        for project in call.store.projects.values()
        if (body.get("search_hidden") or body.get("id") or "hidden" not in project["system_tags"])
        and not (body.get("shallow_search") and project["parent"])
    ]
    return {"projects": select(projects, body, list_fields=("id", "basename", "description"))}


@endpoint("projects.get_by_id")
def get_by_id(call: Call) -> Document:
    return {"project": call.store.project(call.body["project"])}


@endpoint("projects.update")
def update(call: Call) -> Document:
    project = call.store.project(call.body["project"])
    if call.body.get("name"):
        checked_name("Project", call.body["name"])
    changed = merge_given(project, call.body, _EDITABLE)
    project["last_update"] = now_iso()
    return {"updated": 1, "fields": changed}


@endpoint("projects.delete")
def delete(call: Call) -> Document:
    store = call.store
    project = store.project(call.body["project"])
    inside = [task for task in store.tasks.values() if task["project"] == project["id"]]
    if inside and not call.body.get("force"):
        raise ApiError(400, 402, "Project has associated tasks, use force=true", id=project["id"])
    for task in inside:
        task["project"] = None
    del store.projects[project["id"]]
    return {"deleted": 1, "disassociated_tasks": len(inside), "deleted_models": 0}


def _queues(store: Store) -> dict[str, Document]:
    if not store.queues:
        queue = {
            "id": new_id(),
            "name": DEFAULT_QUEUE,
            "entries": [],
            "tags": [],
            "system_tags": [],
        }
        store.queues[queue["id"]] = queue
    return store.queues


@endpoint("queues.get_all", "queues.get_all_ex")
def get_all_queues(call: Call) -> Document:
    return {"queues": select(_queues(call.store).values(), call.body, list_fields=("id",))}


@endpoint("queues.get_by_id")
def get_queue(call: Call) -> Document:
    queue = _queues(call.store).get(call.body["queue"])
    if queue is None:
        raise invalid_queue_id(call.body["queue"])
    return {"queue": queue}


@endpoint("queues.get_default")
def get_default_queue(call: Call) -> Document:
    queue = next(iter(_queues(call.store).values()))
    return {"id": queue["id"], "name": queue["name"]}
