"""tasks.*: creating, reading, editing and deleting."""

from __future__ import annotations

from .endpoints import Call, endpoint
from .errors import invalid_field_value, invalid_task_status, task_cannot_be_deleted
from .queries import project, select
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

_CREATE = frozenset(
    {
        "name",
        "tags",
        "system_tags",
        "type",
        "comment",
        "parent",
        "project",
        "input",
        "models",
        "container",
        "output_dest",
        "execution",
        "hyperparams",
        "configuration",
        "script",
        "runtime",
    }
)
_UPDATE = frozenset({"name", "tags", "system_tags", "comment", "project", "created"})
# Objects whose sent keys are merged into the stored ones; other objects are replaced whole.
_MERGED = frozenset({"execution", "script", "models", "output"})
_LIST_FIELDS = ("id", "user", "type", "status", "project", "parent", "execution.queue")


def touch(task: Document, *, change: bool = True) -> None:
    """Note that the task was updated just now, and by default also changed."""
    task["last_update"] = now_iso()
    if change:
        task["last_change"] = task["last_update"]


def task_for_update(store: Store, body: Document, *, any_status: bool = False) -> Document:
    """The task whose parameters, configuration or artifacts may be edited.

    Raises:
        ApiError: 400/110 when it is neither new nor, with `force`, running.
    """
    task = store.task(body["task"])
    allowed = ("created", "in_progress") if body.get("force") else ("created",)
    if not any_status and task["status"] not in allowed:
        raise invalid_task_status(
            "the task must be new, or running and force=True",
            expected="created",
            status=task["status"],
        )
    return task


def _given(store: Store, body: Document) -> Document:
    """The fields of tasks.create and tasks.edit, checked."""
    given = {name: value for name, value in body.items() if name in _CREATE and value is not None}
    if "name" in given:
        given["name"] = checked_name("Task", given["name"])
    if given.get("project") and given["project"] not in store.projects:
        raise invalid_field_value("expecting Project id", id=given["project"], field="project")
    if given.get("parent") and given["parent"] not in store.tasks:
        raise invalid_field_value("expecting Task id", id=given["parent"], field="parent")
    if "output_dest" in given:
        given["output"] = {"destination": given.pop("output_dest")}
    return given


def _merge(task: Document, given: Document) -> None:
    for name, value in given.items():
        if name in _MERGED and isinstance(value, dict):
            task[name] = {**(task.get(name) or {}), **value}
        else:
            task[name] = value


@endpoint("tasks.create")
def create(call: Call) -> Document:
    now = now_iso()
    task: Document = {
        "id": new_id(),
        "user": USER_ID,
        "company": COMPANY_ID,
        "status": "created",
        "status_reason": "",
        "status_message": "",
        "status_changed": now,
        "created": now,
        "last_update": now,
        "last_change": now,
        "comment": "",
        "project": None,
        "parent": None,
        "tags": [],
        "system_tags": [],
        "execution": {"artifacts": []},
        "script": {},
        "output": {},
        "models": {"input": [], "output": []},
        "hyperparams": {},
        "configuration": {},
        "runtime": {},
        "container": {},
        "last_iteration": 0,
        "last_metrics": {},
    }
    _merge(task, _given(call.store, call.body))
    call.store.tasks[task["id"]] = task
    return {"id": task["id"]}


@endpoint("tasks.validate")
def validate(call: Call) -> Document:
    _given(call.store, call.body)
    return {}


@endpoint("tasks.get_by_id")
def get_by_id(call: Call) -> Document:
    return {"task": call.store.task(call.body["task"])}


@endpoint("tasks.get_by_id_ex")
def get_by_id_ex(call: Call) -> Document:
    tasks = [call.store.tasks[item] for item in call.body["id"] if item in call.store.tasks]
    return {"tasks": [project(task, call.body.get("only_fields")) for task in tasks]}


@endpoint("tasks.get_all", "tasks.get_all_ex")
def get_all(call: Call) -> Document:
    body = call.body
    tasks = [
        task
        for task in call.store.tasks.values()
        if body.get("search_hidden") or body.get("id") or "hidden" not in task["system_tags"]
    ]
    return {"tasks": select(tasks, body, list_fields=_LIST_FIELDS)}


@endpoint("tasks.edit")
def edit(call: Call) -> Document:
    task = call.store.task(call.body["task"])
    if task["status"] != "created" and not call.body.get("force"):
        raise invalid_task_status(
            "the task must be new, or force=True", expected="created", status=task["status"]
        )
    given = _given(call.store, call.body)
    if not given:
        return {"updated": 0, "fields": {}}
    _merge(task, given)
    touch(task)
    return {"updated": 1, "fields": given}


@endpoint("tasks.update")
def update(call: Call) -> Document:
    task = call.store.task(call.body["task"])
    given = _given(call.store, call.body)
    changed = merge_given(task, given, _UPDATE)
    if call.body.get("output__error") is not None:
        task["output"] = {**task["output"], "error": call.body["output__error"]}
        changed["output.error"] = call.body["output__error"]
    if changed:
        touch(task)
    return {"updated": int(bool(changed)), "fields": changed}


@endpoint("tasks.set_requirements")
def set_requirements(call: Call) -> Document:
    task = call.store.task(call.body["task"])
    task["script"]["requirements"] = call.body["requirements"]
    touch(task)
    return {"updated": 1, "fields": {"script.requirements": call.body["requirements"]}}


@endpoint("tasks.ping")
def ping(call: Call) -> Document:
    task = call.store.tasks.get(call.body["task"])
    if task:
        touch(task, change=False)
    return {}


@endpoint("tasks.delete")
def delete(call: Call) -> Document:
    store = call.store
    task = store.task(call.body["task"])
    archived = "archived" in task["system_tags"]
    if task["status"] != "created" and not archived and not call.body.get("force"):
        raise task_cannot_be_deleted(task["id"], task["status"])
    models = [model for model in store.models.values() if model.get("task") == task["id"]]
    if call.body.get("delete_output_models", True):
        for model in models:
            del store.models[model["id"]]
    events = store.drop_events(task["id"])
    del store.tasks[task["id"]]
    return {
        "deleted": True,
        "updated_children": 0,
        "updated_models": len(models),
        "events": {"deleted": events},
    }
