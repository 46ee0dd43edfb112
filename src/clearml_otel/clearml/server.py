"""The server transport: one ClearML task, written with an acknowledgement for everything.

It never uses ``Task.init``, which would fork, replace hooks and wait for hours when the server is
down, nor ClearML's reporter threads, which drop what the server refuses.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clearml_otel.clearml.answers import RefusedError
from clearml_otel.clearml.console_log import missing_lines
from clearml_otel.clearml.encoding import clean_text
from clearml_otel.clearml.entries import (
    artifact_entry,
    configuration_item,
    media_event,
    media_key,
    parameter_items,
)
from clearml_otel.clearml.events import addressed, batches
from clearml_otel.clearml.naming import path_part, project_path
from clearml_otel.clearml.projects import find_or_create_project
from clearml_otel.clearml.shared_connection import SharedConnection
from clearml_otel.clearml.transport import (
    Artifact,
    Event,
    Media,
    ModelUpload,
    Status,
    TaskReference,
    TaskSpec,
    TransportError,
)

if TYPE_CHECKING:
    from clearml_otel.clearml.code import CodeInfo
    from clearml_otel.clearml.connection import Connection

_NO_SUCH_TASK = 101
_WRONG_STATUS = 110
_LOCKED = 131
"""Events of a published task, or of none, are refused with it."""
_ENDED = {"completed", "stopped", "failed", "closed"}

_ENDPOINTS: dict[Status, str] = {
    "completed": "tasks.completed",
    "failed": "tasks.failed",
    "stopped": "tasks.stopped",
}


@dataclass(slots=True)
class _Task:
    """The task that is written to; ``started`` is what is left to do after a failed start."""

    id: str
    project_id: str
    folder: str
    started: bool


@dataclass(slots=True)
class _UploadedModel:
    """How far the upload of a model got, so that a repeated call goes on from there."""

    url: str = ""
    id: str = ""
    registered: bool = False


class ServerTransport:
    """Writes one ClearML task on the server that ``clearml.conf`` or the environment names.

    Args:
        spec: what the task is created with.
        attach_task_id: the application's own task to write to instead, which keeps its status,
            script, name and tags.
        resume_task_id: a task that another process left behind; it is ours now.
        timeouts: seconds to connect to the server, and to wait for each of its answers.
        server: a connection that is shared with other transports; its time-outs are its own.
    """

    def __init__(
        self,
        spec: TaskSpec,
        *,
        attach_task_id: str | None = None,
        resume_task_id: str | None = None,
        timeouts: tuple[float, float] = (3.0, 10.0),
        server: SharedConnection | None = None,
    ) -> None:
        self._spec = spec
        self._attached = attach_task_id
        self._resumed = resume_task_id
        self._server = (server or SharedConnection(timeouts)).share()
        self._owner = os.getpid()
        self._task: _Task | None = None
        self._page = ""
        self._closed = False
        self._allow_locked = False
        self._accepted: set[bytes] = set()
        self._uncertain: set[bytes] = set()
        self._models: dict[tuple[str, str], _UploadedModel] = {}

    @property
    def task_id(self) -> str | None:
        """The id of the task, None until it was created."""
        return self._task.id if self._task is not None else self._attached

    @property
    def reference(self) -> TaskReference | None:
        """The task, None until it was created or found."""
        return TaskReference(self._task.id, self._is_ours) if self._task is not None else None

    @property
    def _is_ours(self) -> bool:
        return self._attached is None and self._owner == os.getpid()

    @property
    def location(self) -> str:
        """The task's page in ClearML's web application, empty until it was created."""
        return self._page

    def open(self) -> str:
        """Log in, create and start the task, or find the one to attach to.

        Raises:
            TransportError: there are no valid credentials, or the server isn't there.
        """
        with self._server.in_use() as connection:
            return self._opened(connection).id

    def send(self, events: Sequence[Event]) -> None:
        """Write events; returns when the server confirmed each of them.

        A repeated call, after one that failed, leaves out the batches that were confirmed before.
        """
        with self._writing() as (connection, task):
            for batch in batches(events):
                digest = hashlib.sha256(json.dumps(batch).encode()).digest()
                if digest not in self._accepted:
                    self._add_once(connection, task, batch, digest)
                    self._accepted.add(digest)
            self._accepted.clear()

    def upload_artifact(self, artifact: Artifact) -> None:
        """Store a file on the files server and list it with the task."""
        with self._writing() as (connection, task):
            name, file_name = path_part(artifact.name), path_part(artifact.file_name)
            path = f"{task.folder}/artifacts/{name}/{file_name}"
            url = connection.upload(path, artifact.data, artifact.content_type)
            connection.call(
                "tasks.add_or_update_artifacts",
                task=task.id,
                artifacts=[artifact_entry(artifact, url)],
                force=True,
            )

    def upload_model(self, model: ModelUpload) -> None:
        """Store a model file, register it as a model and link it with the task."""
        with self._writing() as (connection, task):
            digest = hashlib.sha256(model.data).hexdigest()
            done = self._models.setdefault((model.name, digest), _UploadedModel())
            if not done.url:
                folder = f"{task.folder}/models/{path_part(model.name)}/{digest[:8]}"
                path = f"{folder}/{path_part(model.file_name)}"
                done.url = connection.upload(path, model.data, "application/octet-stream")
            if not done.id:
                created = connection.call("models.create", **_model_fields(model, done.url, task))
                done.id = str(created["id"])
            if not done.registered:
                connection.call(
                    "tasks.add_or_update_model",
                    task=task.id,
                    name=clean_text(model.name),
                    model=done.id,
                    type="output",
                )
                self._replaced(model.name)
                done.registered = True

    def upload_media(self, media: Media) -> None:
        """Store a file on the files server and report it as a debug sample."""
        with self._writing() as (connection, task):
            key = media_key(media, task.folder)
            url = connection.upload(key, media.data, media.content_type)
            self._add_batch(connection, task, [media_event(media, key, url)])

    def set_configuration(self, name: str, text: str) -> None:
        """Set one configuration object of the task."""
        with self._writing() as (connection, task):
            connection.call(
                "tasks.edit_configuration",
                task=task.id,
                configuration=[configuration_item(name, text)],
                force=True,
            )

    def set_parameters(self, section: str, values: Mapping[str, str]) -> None:
        """Set hyper-parameters of the task."""
        with self._writing() as (connection, task):
            connection.call(
                "tasks.edit_hyper_params",
                task=task.id,
                hyperparams=parameter_items(section, values),
                force=True,
            )

    def set_code(self, code: CodeInfo) -> None:
        """Set the script of the task."""
        if self._attached is None:
            with self._writing() as (connection, task):
                connection.call("tasks.edit", task=task.id, script=code.as_script(), force=True)

    def ping(self) -> None:
        """Keep the server from stopping the task for silence."""
        with self._server.in_use() as connection:
            connection.call("tasks.ping", task=self._opened(connection).id)

    def close(self, status: Status, message: str = "") -> None:
        """Give the task its final status, unless someone else gave it one, and log out.

        A task that was never created isn't created for it.
        """
        with self._server.lock:
            if self._is_ours and self._task is not None and not self._closed:
                with self._server.in_use() as connection, _other_status_kept():
                    connection.call(
                        _ENDPOINTS[status],
                        task=self._task.id,
                        status_reason=f"{status} by clearml-otel",
                        status_message=clean_text(message),
                    )
                self._closed = True
            self._server.close()

    def after_fork(self) -> None:
        """The child logs in by itself, writes to the same task, and leaves its status alone."""
        self._server.after_fork()

    @contextlib.contextmanager
    def _writing(self) -> Generator[tuple[Connection, _Task], None, None]:
        """A connection and the task; one of ours that somebody deleted is made anew next time."""
        with self._server.in_use() as connection:
            task = self._opened(connection)
            try:
                yield connection, task
            except RefusedError as error:
                if not self._is_ours or not _is_deleted(connection, task.id, error):
                    raise
                self._task = self._resumed = None
                self._allow_locked = False
                for done in (self._accepted, self._uncertain, self._models):
                    done.clear()
                raise TransportError(
                    f"the ClearML task {task.id} was deleted; what comes goes to a new one",
                    transient=True,
                ) from error

    def _opened(self, connection: Connection) -> _Task:
        if self._task is None:
            existing = self._attached or self._resumed
            if existing is not None:
                self._task = _existing_task(connection, existing, ours=self._attached is None)
            else:
                self._task = _new_task(connection, self._spec)
                self._owner = os.getpid()
            self._page = connection.web_page(self._task.project_id, self._task.id)
        if not self._task.started:
            with _other_status_kept():
                again = {"force": True} if self._resumed is not None else {}
                connection.call("tasks.started", task=self._task.id, **again)
            self._task.started = True
        return self._task

    def _add_once(
        self, connection: Connection, task: _Task, batch: list[Event], digest: bytes
    ) -> None:
        """Write a batch; console lines only those that a call before, which failed, did not.

        Everything else replaces itself where it is sent again.
        """
        if batch[0]["type"] == "log" and digest in self._uncertain:
            batch = missing_lines(connection, task.id, batch)
        if batch:
            self._uncertain.add(digest)
            self._add_batch(connection, task, batch)
        self._uncertain.discard(digest)

    def _add_batch(self, connection: Connection, task: _Task, batch: list[Event]) -> None:
        try:
            answer = self._confirmed(connection, task, batch)
        except RefusedError as error:
            if error.subcode != _LOCKED or self._allow_locked:
                raise
            self._allow_locked = True  # the task was published
            answer = self._confirmed(connection, task, batch)
        added, errors = answer.get("added"), answer.get("errors")
        if added != len(batch) or errors:
            details = json.dumps(answer.get("errors_info") or {})[:200]
            raise TransportError(
                f"ClearML took {added} of {len(batch)} events of task {task.id} ({details}); "
                "what is missing will be sent again",
                transient=True,
            )

    def _confirmed(self, connection: Connection, task: _Task, batch: list[Event]) -> dict[str, Any]:
        requests = [addressed(event, task.id) for event in batch]
        if self._allow_locked:
            requests = [{**request, "allow_locked": True} for request in requests]
        body = "\n".join(json.dumps(request, allow_nan=False) for request in requests)
        # a plot that is sent again replaces itself, a line of the console does not
        repeats = batch[0]["type"] != "log"
        return connection.call_batch("events.add_batch", body.encode("ascii"), repeats=repeats)

    def _replaced(self, name: str) -> None:
        """Another model took this name; an earlier one would have to be linked again."""
        for (known, _), done in self._models.items():
            if known == name:
                done.registered = False


@contextlib.contextmanager
def _other_status_kept() -> Generator[None, None, None]:
    """Leave the task as it is where its status says that someone stopped or published it."""
    try:
        yield
    except RefusedError as error:
        if error.subcode != _WRONG_STATUS:
            raise


def _is_deleted(connection: Connection, task_id: str, error: RefusedError) -> bool:
    """Whether that is why a request was refused."""
    if error.subcode not in {_NO_SUCH_TASK, _LOCKED}:
        return False
    try:
        connection.call("tasks.get_by_id", task=task_id)
    except RefusedError as refusal:
        return refusal.subcode == _NO_SUCH_TASK
    return False


def _new_task(connection: Connection, spec: TaskSpec) -> _Task:
    project_name, task_name = clean_text(spec.project_name), clean_text(spec.task_name)
    project_id = find_or_create_project(connection, project_name)
    created = connection.call(
        "tasks.create",
        name=task_name,
        type=spec.task_type,
        project=project_id,
        tags=[clean_text(tag) for tag in spec.tags],
        comment=clean_text(spec.comment),
    )
    task_id = str(created["id"])
    folder = project_path(project_name, task_name, task_id)
    return _Task(id=task_id, project_id=project_id, folder=folder, started=False)


def _existing_task(connection: Connection, task_id: str, *, ours: bool) -> _Task:
    """A task; one of ours that was ended, as ClearML ends tasks that are silent, is to go on."""
    task: dict[str, Any] = connection.call("tasks.get_by_id", task=task_id)["task"]
    project_id = str(task.get("project") or "")
    name = ""
    if project_id:
        name = str(connection.call("projects.get_by_id", project=project_id)["project"]["name"])
    folder = project_path(name, str(task.get("name") or ""), task_id)
    started = not (ours and task.get("status") in _ENDED)
    return _Task(id=task_id, project_id=project_id, folder=folder, started=started)


def _model_fields(model: ModelUpload, url: str, task: _Task) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": clean_text(model.name),
        "uri": url,
        "framework": model.framework,
        "comment": clean_text(model.comment),
        "tags": [clean_text(tag) for tag in model.tags],
        "task": task.id,
        "ready": True,
    }
    return {**fields, "project": task.project_id} if task.project_id else fields
