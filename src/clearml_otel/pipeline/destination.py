"""Which transport the settings and the application's own ClearML task call for."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final

from clearml_otel.clearml.code import find_code
from clearml_otel.clearml.offline import OfflineTransport, default_root
from clearml_otel.clearml.server import ServerTransport
from clearml_otel.clearml.shared_connection import SharedConnection
from clearml_otel.clearml.transport import Status, TaskReference, TaskSpec, Transport
from clearml_otel.pipeline.delivery import Step
from clearml_otel.pipeline.tasks import Tasks
from clearml_otel.settings import Settings

_CONNECT_S: Final = 3.0
_LONGEST_NAME: Final = 200
_USER: Final = re.compile("//[^/]*@")


def transport_for(settings: Settings) -> Transport:
    """The transport; nothing is opened, and offline nothing of ``clearml`` is imported.

    Where the application has a ``Task.current_task()``, the tables go to it.
    """
    spec = task_spec(settings)
    current = _current_task()
    current_id: str | None = current.id if current is not None else None
    if current is not None and current.id.startswith("offline-"):
        return OfflineTransport(spec, attach_folder=Path(current.get_offline_mode_folder()))
    if settings.offline:
        return OfflineTransport(spec, folder=_offline_folder(settings))
    return ServerTransport(spec, attach_task_id=current_id, timeouts=_timeouts(settings))


def transports_of_others(settings: Settings) -> Callable[[str], Transport] | None:
    """Makes the transports of the tasks of single sessions or services.

    None where all goes to one task: with ``task_per="process"``, and where the application has a
    ``Task.current_task()``, which takes everything.
    """
    if settings.task_per == "process" or _current_task() is not None:
        return None
    server = SharedConnection(_timeouts(settings))

    def make(name: str) -> Transport:
        spec = task_spec(settings, name)
        if settings.offline:
            return OfflineTransport(spec, folder=_offline_folder(settings))
        return ServerTransport(spec, server=server)

    return make


def transport_to_resume(
    settings: Settings, task: TaskReference | None, name: str = ""
) -> Transport:
    """The transport that goes on with what another process left behind.

    Args:
        settings: those of the other process.
        task: its task; None where it did not come to make one.
        name: the session or service that the task is for; empty for the main one.
    """
    spec = task_spec(settings, name)
    if task is not None and task.folder and Path(task.folder).is_dir():
        folder = Path(task.folder)
        if task.owned:
            return OfflineTransport(spec, resume_folder=folder)
        return OfflineTransport(spec, attach_folder=folder)
    if settings.offline or (task is not None and task.folder):
        return OfflineTransport(spec, folder=_offline_folder(settings))
    own = task.task_id if task is not None and task.owned else None
    theirs = task.task_id if task is not None and not task.owned else None
    return ServerTransport(
        spec, attach_task_id=theirs, resume_task_id=own, timeouts=_timeouts(settings)
    )


def destination_of(settings: Settings) -> str:
    """Where the tables go, as a text: spans that wait are for no other server or folder."""
    if settings.offline:
        return f"offline: {_offline_folder(settings) or default_root()}"
    host = os.environ.get("CLEARML_API_HOST", "").strip()
    file = os.environ.get("CLEARML_CONFIG_FILE", "").strip() or "~/clearml.conf"
    # there may be no home, as in a container
    return _USER.sub("//", host) or os.path.expanduser(file)


def description(
    settings: Settings, tasks: Tasks, suffix: str, ending: tuple[Status, str] | None
) -> dict[str, Any]:
    """What another process needs to go on with a pipeline's publications, as JSON."""
    status, message = ending or (None, "")
    return {
        "settings": asdict(settings),
        "destination": destination_of(settings),
        "several_tasks": tasks.several,
        "tasks": {name: asdict(each) for name, each in tasks.references().items()},
        "suffix": suffix,
        "status": status,
        "message": message,
    }


def task_spec(settings: Settings, name: str = "") -> TaskSpec:
    """The task that the settings name, or the one of a session or service."""
    task_name, comment = settings.task_name, ""
    if name:
        task_name = f"{task_name} - {name}"
        if len(task_name) > _LONGEST_NAME:
            task_name = f"{task_name[:_LONGEST_NAME]}…"
        comment = f"{settings.task_per}: {name}"
    return TaskSpec(settings.project_name, task_name, settings.task_type, settings.tags, comment)


def task_descriptions(settings: Settings) -> list[Step]:
    """What is said of each task once, in the delivery's thread: finding it delays nobody."""
    # takes a second or two
    code = cache(lambda: find_code(settings.store_code))
    return [
        lambda transport: transport.set_code(code()),
        lambda transport: transport.set_configuration("clearml-otel", settings.as_text()),
    ]


def _offline_folder(settings: Settings) -> Path | None:
    return Path(settings.offline_folder) if settings.offline_folder else None


def _timeouts(settings: Settings) -> tuple[float, float]:
    return min(_CONNECT_S, settings.request_timeout_s), settings.request_timeout_s


def _current_task() -> Any:
    """The application's main task; clearml is asked only where the application imported it."""
    module = sys.modules.get("clearml")
    task = getattr(module, "Task", None)
    return task.current_task() if task is not None else None
