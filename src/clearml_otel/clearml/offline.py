"""The offline transport: ClearML's own offline session, written without ClearML.

``Task.import_offline_session`` loads the folder as well as the ``.zip`` that closing makes of it.
Whatever :meth:`OfflineTransport.send` accepted is in the folder, even if the process is killed.
Source of the layout: ``clearml.task.Task.import_offline_session``,
``clearml.backend_interface.metrics.interface.Metrics``, ``clearml.model.OutputModel``.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import threading
import uuid
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearml_otel.clearml import session_files as files
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

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR}
"""Troubles of a disk that may be over by the next try."""


def default_root() -> Path:
    """Where ClearML keeps offline sessions: ``$CLEARML_CACHE_DIR/offline``."""
    cache = os.environ.get("CLEARML_CACHE_DIR") or "~/.clearml/cache"
    return Path(os.path.expandvars(os.path.expanduser(cache))) / "offline"


class OfflineTransport:
    """Writes one ClearML task into an offline session.

    Args:
        spec: what the task is created with.
        folder: where the session's own folder is made; by default ClearML's own place.
        attach_folder: the folder of a session that the application's own task writes. Its status,
            script and packing are left to that task. Models become artifacts there, for the task
            keeps its list of models in memory only.
        resume_folder: the folder of a session that another process made and left behind.
    """

    def __init__(
        self,
        spec: TaskSpec,
        *,
        folder: Path | None = None,
        attach_folder: Path | None = None,
        resume_folder: Path | None = None,
    ) -> None:
        self._spec = spec
        self._root = folder
        self._attached = attach_folder
        self._resumed = resume_folder
        self._session: Path | None = None
        self._task_id: str | None = None
        self._archive: Path | None = None
        self._status: Status | None = None
        self._owner = os.getpid()
        self._lock = threading.RLock()

    @property
    def task_id(self) -> str | None:
        """The id of the task, None before :meth:`open`."""
        return self._task_id

    @property
    def location(self) -> str:
        """The path of the session's ``.zip``, of its folder as long as there is none."""
        return str(self._archive or self._session or "")

    @property
    def reference(self) -> TaskReference | None:
        """The session, None before :meth:`open`."""
        if self._task_id is None or self._session is None:
            return None
        return TaskReference(self._task_id, self._is_ours, str(self._session))

    @property
    def _is_ours(self) -> bool:
        return self._attached is None and self._owner == os.getpid()

    def open(self) -> str:
        """Make the session's folder, or find the task of the one attached to.

        Raises:
            TransportError: the folder cannot be written, or holds no session.
        """
        with self._guarded():
            return self._opened()[1]

    def send(self, events: Sequence[Event]) -> None:
        """Append events, each batch as one line."""
        with self._guarded():
            folder, task_id = self._opened()
            for batch in batches(addressed(event, task_id) for event in events):
                name = files.LOG_FILE if batch[0]["type"] == "log" else files.METRICS_FILE
                files.append_line(folder / name, json.dumps(batch, allow_nan=False))
            self._archive = None

    def upload_artifact(self, artifact: Artifact) -> None:
        """Store a file under ``data/`` and list it in ``task.json``."""
        with self._changed_task() as (folder, task):
            self._add_artifact(folder, task, artifact)

    def upload_model(self, model: ModelUpload) -> None:
        """Store a model file under ``models/`` and, as an artifact, under ``data/``.

        An import registers the path of the file in ``models/``, which means nothing on another
        machine. The artifact is uploaded wherever the import runs.
        """
        with self._changed_task() as (folder, task):
            artifact = Artifact(
                name=f"model {model.name}",
                file_name=model.file_name,
                data=model.data,
                content_type="application/octet-stream",
                type="model",
            )
            self._add_artifact(folder, task, artifact)
            if self._attached is None:
                _add_model(folder, task, model, artifact.name)

    def upload_media(self, media: Media) -> None:
        """Store a file under ``data/`` and append the event that shows it.

        An import finds the file by the event's key, and uploads it from wherever the session is.
        """
        with self._guarded():
            folder, task_id = self._opened()
            key = media_key(media, _task_folder(files.read_task(folder)))
            path = folder / "data" / key
            files.make_folder(path.parent)
            files.replace_file(path, media.data)
            event = addressed(media_event(media, key, path.as_posix()), task_id)
            files.append_line(folder / files.METRICS_FILE, json.dumps([event]))
            self._archive = None

    def set_configuration(self, name: str, text: str) -> None:
        """Set one configuration object in ``task.json``."""
        with self._changed_task() as (_, task):
            item = configuration_item(name, text)
            task.setdefault("configuration", {})[item["name"]] = item

    def set_parameters(self, section: str, values: Mapping[str, str]) -> None:
        """Set hyper-parameters in ``task.json``."""
        with self._changed_task() as (_, task):
            sections = task.setdefault("hyperparams", {})
            for item in parameter_items(section, values):
                sections.setdefault(item["section"], {})[item["name"]] = item

    def set_code(self, code: CodeInfo) -> None:
        """Set the script in ``task.json``."""
        if self._attached is None:
            with self._changed_task() as (_, task):
                task["script"] = code.as_script()

    def ping(self) -> None:
        """Nothing watches an offline session."""

    def close(self, status: Status, message: str = "") -> None:
        """Write the task's status and pack the session into the ``.zip`` next to its folder.

        An import doesn't read the status: it completes every task.
        """
        with self._guarded():
            if not self._is_ours or self._session is None or self._archive is not None:
                return
            with files.locked(self._session):
                if self._status is None:
                    task = files.read_task(self._session)
                    task.update(status=status, status_message=clean_text(message))
                    files.write_task(self._session, task)
                    self._status = status
                self._archive = files.pack(self._session)

    def after_fork(self) -> None:
        """The child writes into the same session and leaves closing it to the parent."""
        self._lock = threading.RLock()

    def _opened(self) -> tuple[Path, str]:
        if self._session is None or self._task_id is None:
            existing = self._attached or self._resumed
            if existing is not None:
                self._task_id = str(files.read_task(existing)["id"])
                self._session = existing
            else:
                self._create()
        assert self._session is not None
        assert self._task_id is not None
        return self._session, self._task_id

    def _create(self) -> None:
        root = self._root or default_root()
        task_id = f"offline-{uuid.uuid4().hex}"
        folder = root.absolute() / task_id
        files.make_folder(folder)
        task: dict[str, Any] = {
            "id": task_id,
            "name": clean_text(self._spec.task_name),
            "project_name": clean_text(self._spec.project_name),
            "type": self._spec.task_type,
            "tags": [clean_text(tag) for tag in self._spec.tags],
            "comment": clean_text(self._spec.comment),
            "status": "in_progress",
            "execution": {"artifacts": []},
            "output": {},
            "offline_folder": folder.as_posix(),
            "offline_output_models": [],
        }
        files.write_task(folder, task)
        self._session, self._task_id, self._owner = folder, task_id, os.getpid()

    def _add_artifact(self, folder: Path, task: dict[str, Any], artifact: Artifact) -> None:
        name = path_part(artifact.name)
        where = folder / "data" / _task_folder(task) / "artifacts"
        path = where / name / path_part(artifact.file_name)
        files.make_folder(path.parent)
        files.replace_file(path, artifact.data)
        entry = artifact_entry(artifact, path.as_posix())
        kept = [each for each in _artifacts(task) if each.get("key") != entry["key"]]
        task["execution"]["artifacts"] = [*kept, entry]

    @contextlib.contextmanager
    def _changed_task(self) -> Generator[tuple[Path, dict[str, Any]], None, None]:
        """The session's folder and its ``task.json``, which is written back."""
        with self._guarded():
            folder, task_id = self._opened()
            with files.locked(folder):
                task = files.read_task(folder)
                yield folder, task
                files.write_task(folder, task)
                self._archive = None
            if self._attached is not None:
                _reload_application_task(task_id)

    @contextlib.contextmanager
    def _guarded(self) -> Generator[None, None, None]:
        """One call at a time, and TransportError for whatever goes wrong."""
        with self._lock:
            try:
                yield
            except TransportError:
                raise
            except OSError as error:
                raise self._disk_error(error) from error
            except Exception as error:  # the contract is TransportError and nothing else
                raise TransportError(
                    f"could not write the offline session: {type(error).__name__}: {error}",
                    transient=False,
                ) from error

    def _disk_error(self, error: OSError) -> TransportError:
        folder = self._attached or self._session or self._root or default_root()
        return TransportError(
            f"cannot write the offline session to {folder}: {error.strerror or error}; make room "
            "there, make it writable, or set CLEARML_CACHE_DIR to another folder",
            transient=error.errno in _PASSING,
        )


def _task_folder(task: dict[str, Any]) -> str:
    return project_path(str(task.get("project_name") or ""), str(task.get("name")), task["id"])


def _artifacts(task: dict[str, Any]) -> list[dict[str, Any]]:
    return task.setdefault("execution", {}).setdefault("artifacts", [])


def _add_model(folder: Path, task: dict[str, Any], model: ModelUpload, artifact: str) -> None:
    """Store and list a model; each has a folder of its own, so that equal file names don't meet."""
    path = folder / "models" / path_part(model.name) / path_part(model.file_name)
    files.make_folder(path.parent)
    files.replace_file(path, model.data)
    name = clean_text(model.name)
    listed: list[dict[str, Any]] = task.setdefault("offline_output_models", [])
    known = next((each["id"] for each in listed if each["init"]["name"] == name), None)
    comment = f"{model.comment}\nIts file is the artifact '{artifact}' of the task.".strip()
    # no "config_text" and "config_dict": an import of a model that has both keys fails half-way
    entry = {
        "id": known or f"offline-{uuid.uuid4().hex}",
        "init": {
            "name": name,
            "framework": model.framework,
            "comment": clean_text(comment),
            "tags": [clean_text(tag) for tag in model.tags],
        },
        "weights": {
            "weights_filename": path.as_posix(),
            # its stem is the name that an import links the model under
            "target_filename": name.replace("/", "_") + (path.suffix or ".bin"),
            "update_comment": False,
        },
        "output_uri": None,
    }
    task["offline_output_models"] = [each for each in listed if each["id"] != known] + [entry]


def _reload_application_task(task_id: str) -> None:
    """Let the application's task read ``task.json`` again, or it would undo what was added."""
    clearml = sys.modules.get("clearml")
    if clearml is not None:
        task = clearml.Task.current_task()
        if task is not None and task.id == task_id:
            task.reload()
