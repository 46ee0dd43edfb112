"""tasks.*: the status of a task and the ways it may change."""

from __future__ import annotations

from .endpoints import Call, endpoint
from .errors import invalid_task_status
from .store import Document, now_iso
from .tasks import touch

_ALLOWED = {
    "created": "queued in_progress",
    "queued": "created in_progress stopped",
    "in_progress": "created stopped failed completed",
    "stopped": "created queued in_progress closed failed completed publishing published",
    "closed": "created stopped failed publishing published",
    "failed": "created queued stopped published",
    "completed": "created in_progress published",
    "publishing": "published",
    "published": "",
}


def change_status(task: Document, new: str, body: Document) -> Document:
    """Move a task to a status; staying in the one it has is no error.

    Raises:
        ApiError: 400/110 for a step the server does not allow without `force`.
    """
    old = task["status"]
    if new != old and not body.get("force") and new not in _ALLOWED[old].split():
        raise invalid_task_status("Invalid status change", current_status=old, new_status=new)
    fields = {
        "status": new,
        "status_reason": body.get("status_reason") or "",
        "status_message": body.get("status_message") or "",
        "status_changed": now_iso(),
    }
    task.update(fields)
    touch(task)
    return {"updated": 1, "fields": fields}


@endpoint("tasks.started")
def started(call: Call) -> Document:
    task = call.store.task(call.body["task"])
    answer = change_status(task, "in_progress", call.body)
    task.setdefault("started", now_iso())
    return {**answer, "started": 1}


@endpoint("tasks.stopped", "tasks.stop")
def stopped(call: Call) -> Document:
    task = call.store.task(call.body["task"])
    answer = change_status(task, "stopped", call.body)
    task["completed"] = now_iso()
    return answer


@endpoint("tasks.failed")
def failed(call: Call) -> Document:
    return change_status(call.store.task(call.body["task"]), "failed", call.body)


@endpoint("tasks.close")
def close(call: Call) -> Document:
    return change_status(call.store.task(call.body["task"]), "closed", call.body)


@endpoint("tasks.completed")
def completed(call: Call) -> Document:
    task = call.store.task(call.body["task"])
    answer = change_status(task, "completed", call.body)
    task["completed"] = now_iso()
    if not call.body.get("publish"):
        return answer
    return {**_publish(call, task), "published": 1}


@endpoint("tasks.publish")
def publish(call: Call) -> Document:
    return _publish(call, call.store.task(call.body["task"]))


def _publish(call: Call, task: Document) -> Document:
    answer = change_status(task, "published", call.body)
    task["published"] = now_iso()
    last = next(reversed(task["models"].get("output") or []), None)
    if last and call.body.get("publish_model", True) and last["model"] in call.store.models:
        call.store.models[last["model"]]["ready"] = True
    return answer


@endpoint("tasks.reset")
def reset(call: Call) -> Document:
    task = call.store.task(call.body["task"])
    if task["status"] == "published" and not call.body.get("force"):
        raise invalid_task_status("a published task cannot be reset", status=task["status"])
    deleted = call.store.drop_events(task["id"])
    artifacts = task["execution"].get("artifacts") or []
    task["execution"]["artifacts"] = [item for item in artifacts if item.get("mode") == "input"]
    task["models"]["output"] = []
    task.update(runtime={}, last_iteration=0, last_metrics={})
    for name in ("started", "completed", "published"):
        task.pop(name, None)
    if call.body.get("clear_all"):
        task.update(execution={"artifacts": []}, script={})
    answer = change_status(task, "created", {"status_reason": "reset", **call.body})
    return {**answer, "dequeued": {}, "events": {"deleted": deleted}, "deleted_models": 0}
