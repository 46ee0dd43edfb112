"""models.*"""

from __future__ import annotations

from .endpoints import Call, endpoint
from .errors import model_is_ready, validation_error
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

_EDITABLE = frozenset(
    {
        "name",
        "tags",
        "system_tags",
        "task",
        "comment",
        "uri",
        "project",
        "parent",
        "framework",
        "design",
        "labels",
        "ready",
        "metadata",
    }
)


def _check(store: Store, body: Document) -> None:
    if body.get("name") is not None:
        checked_name("Model", body["name"])
    if body.get("project") and body["project"] not in store.projects:
        raise validation_error("Invalid project ids", project=body["project"])
    if body.get("task"):
        store.task(body["task"])
    labels = body.get("labels") or {}
    if not all(isinstance(value, int) for value in labels.values()):
        raise validation_error("labels values must be integers")


@endpoint("models.create")
def create(call: Call) -> Document:
    _check(call.store, call.body)
    now = now_iso()
    model: Document = {
        "id": new_id(),
        "user": USER_ID,
        "company": COMPANY_ID,
        "created": now,
        "last_update": now,
        "ready": True,
        "tags": [],
        "system_tags": [],
        "labels": {},
        "design": {},
        "metadata": {},
        "comment": "",
    }
    merge_given(model, call.body, _EDITABLE)
    model["name"] = model["name"].strip()
    model["metadata"] = _metadata(model["metadata"])
    call.store.models[model["id"]] = model
    return {"id": model["id"], "created": True}


def _metadata(items: Document | list[Document]) -> Document:
    return items if isinstance(items, dict) else {item["key"]: item for item in items}


@endpoint("models.edit", "models.update")
def edit(call: Call) -> Document:
    store = call.store
    model = store.model(call.body["model"])
    _check(store, call.body)
    changed = merge_given(model, call.body, _EDITABLE)
    model["metadata"] = _metadata(model["metadata"])
    task = store.tasks.get(model.get("task") or "")
    if task and call.body.get("iteration") is not None:
        task["last_iteration"] = max(task["last_iteration"], call.body["iteration"])
    if changed:
        model["last_update"] = now_iso()
    return {"updated": int(bool(changed)), "fields": changed}


@endpoint("models.get_by_id")
def get_by_id(call: Call) -> Document:
    return {"model": call.store.model(call.body["model"])}


@endpoint("models.get_all", "models.get_all_ex")
def get_all(call: Call) -> Document:
    fields = ("id", "user", "project", "task", "parent", "framework", "uri")
    ready = call.body.get("ready")
    models = [
        model for model in call.store.models.values() if ready is None or model["ready"] is ready
    ]
    return {"models": select(models, call.body, list_fields=fields)}


@endpoint("models.set_ready")
def set_ready(call: Call) -> Document:
    model = call.store.model(call.body["model"])
    if model["ready"]:
        raise model_is_ready(model["id"])
    model["ready"] = True
    return {"updated": 1}


@endpoint("models.delete")
def delete(call: Call) -> Document:
    model = call.store.model(call.body["model"])
    del call.store.models[model["id"]]
    return {"deleted": True, "url": model.get("uri")}


@endpoint("models.add_or_update_metadata")
def add_or_update_metadata(call: Call) -> Document:
    model = call.store.model(call.body["model"])
    kept = {} if call.body.get("replace_metadata") else model["metadata"]
    model["metadata"] = {**kept, **_metadata(call.body["metadata"])}
    return {"updated": 1}


@endpoint("models.delete_metadata")
def delete_metadata(call: Call) -> Document:
    model = call.store.model(call.body["model"])
    for key in call.body["keys"]:
        model["metadata"].pop(key, None)
    return {"updated": 1}
