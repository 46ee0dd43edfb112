"""tasks.*: artifacts, models, configuration and hyper-parameters of a task."""

from __future__ import annotations

from collections import defaultdict

from .endpoints import Call, endpoint
from .errors import invalid_field_value
from .store import Document
from .tasks import task_for_update, touch


def _artifact_key(artifact: Document) -> tuple[str, str]:
    return artifact["key"], artifact.get("mode") or "output"


@endpoint("tasks.add_or_update_artifacts")
def add_or_update_artifacts(call: Call) -> Document:
    task = task_for_update(call.store, call.body)
    stored = {_artifact_key(item): item for item in task["execution"].get("artifacts") or []}
    stored.update((_artifact_key(item), item) for item in call.body["artifacts"])
    task["execution"]["artifacts"] = [stored[key] for key in sorted(stored)]
    touch(task)
    return {"updated": 1}


@endpoint("tasks.delete_artifacts")
def delete_artifacts(call: Call) -> Document:
    task = task_for_update(call.store, call.body)
    gone = {_artifact_key(item) for item in call.body["artifacts"]}
    before = task["execution"].get("artifacts") or []
    task["execution"]["artifacts"] = [item for item in before if _artifact_key(item) not in gone]
    touch(task)
    return {"deleted": 1}


@endpoint("tasks.add_or_update_model")
def add_or_update_model(call: Call) -> Document:
    body = call.body
    task = task_for_update(call.store, {**body, "force": True})
    items = task["models"].setdefault(body["type"], [])
    item = {"name": body["name"], "model": body["model"]}
    for index, known in enumerate(items):
        if known["name"] == body["name"]:
            items[index] = item
            break
    else:
        items.append(item)
    if body.get("iteration") is not None:
        task["last_iteration"] = max(task["last_iteration"], body["iteration"])
    touch(task)
    return {"updated": 1}


@endpoint("tasks.delete_models")
def delete_models(call: Call) -> Document:
    task = task_for_update(call.store, {**call.body, "force": True})
    gone = {(item["type"], item["name"]) for item in call.body["models"]}
    for kind, items in task["models"].items():
        task["models"][kind] = [item for item in items if (kind, item["name"]) not in gone]
    touch(task)
    return {"updated": 1}


def _required(item: Document, field: str) -> str:
    value = item.get(field)
    if not value:
        raise invalid_field_value(f"{field} is required", item=item)
    return value


@endpoint("tasks.edit_configuration")
def edit_configuration(call: Call) -> Document:
    task = task_for_update(call.store, call.body)
    given = {_required(item, "name"): item for item in call.body["configuration"]}
    kept = {} if call.body.get("replace_configuration") else task["configuration"]
    task["configuration"] = {**kept, **given}
    touch(task)
    return {"updated": 1}


@endpoint("tasks.delete_configuration")
def delete_configuration(call: Call) -> Document:
    task = task_for_update(call.store, call.body)
    for name in call.body["configuration"]:
        task["configuration"].pop(name, None)
    touch(task)
    return {"deleted": 1}


@endpoint("tasks.get_configurations")
def get_configurations(call: Call) -> Document:
    names = call.body.get("names")
    found = []
    for task_id in call.body["tasks"]:
        items = call.store.task(task_id)["configuration"]
        wanted = [items[name] for name in sorted(items) if not names or name in names]
        found.append({"task": task_id, "configuration": wanted})
    return {"configurations": found}


@endpoint("tasks.edit_hyper_params")
def edit_hyper_params(call: Call) -> Document:
    # Properties may be edited at any time, on the server's own word.
    given = call.body["hyperparams"]
    properties_only = all((item.get("section") or "").lower() == "properties" for item in given)
    task = task_for_update(call.store, call.body, any_status=properties_only)
    sections: dict[str, Document] = defaultdict(dict)
    for item in given:
        sections[_required(item, "section")][_required(item, "name")] = item
    replace = call.body.get("replace_hyperparams") or "none"
    stored = {} if replace == "all" else task["hyperparams"]
    for section, items in sections.items():
        kept = stored.get(section, {}) if replace == "none" else {}
        stored[section] = {**kept, **items}
    task["hyperparams"] = stored
    touch(task)
    return {"updated": 1}


@endpoint("tasks.delete_hyper_params")
def delete_hyper_params(call: Call) -> Document:
    task = task_for_update(call.store, call.body)
    for item in call.body["hyperparams"]:
        section = task["hyperparams"].get(_required(item, "section"), {})
        if item.get("name"):
            section.pop(item["name"], None)
        else:
            task["hyperparams"].pop(item["section"], None)
    touch(task)
    return {"deleted": 1}


@endpoint("tasks.get_hyper_params")
def get_hyper_params(call: Call) -> Document:
    found = []
    for task_id in call.body["tasks"]:
        sections = call.store.task(task_id)["hyperparams"]
        items = [item for section in sections.values() for item in section.values()]
        found.append({"task": task_id, "hyperparams": items})
    return {"params": found}
