"""Which transport the settings and the application's own ClearML task call for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from clearml_otel.clearml.code import find_code
from clearml_otel.clearml.offline import OfflineTransport
from clearml_otel.clearml.server import ServerTransport
from clearml_otel.clearml.transport import TaskSpec, Transport
from clearml_otel.pipeline.delivery import Step
from clearml_otel.settings import Settings

_CONNECT_S: Final = 3.0


def transport_for(settings: Settings) -> Transport:
    """The transport; nothing is opened, and offline nothing of ``clearml`` is imported.

    Where the application has a ``Task.current_task()``, the tables go to it.
    """
    spec = task_spec(settings)
    folder = Path(settings.offline_folder) if settings.offline_folder else None
    current = _current_task()
    current_id: str | None = current.id if current is not None else None
    if current is not None and current.id.startswith("offline-"):
        return OfflineTransport(spec, attach_folder=Path(current.get_offline_mode_folder()))
    if settings.offline:
        return OfflineTransport(spec, folder=folder)
    connecting_s = min(_CONNECT_S, settings.request_timeout_s)
    timeouts = connecting_s, settings.request_timeout_s
    return ServerTransport(spec, attach_task_id=current_id, timeouts=timeouts)


def task_spec(settings: Settings) -> TaskSpec:
    """The task that the settings name."""
    return TaskSpec(settings.project_name, settings.task_name, settings.task_type, settings.tags)


def task_descriptions(settings: Settings) -> list[Step]:
    """What is said of the task once, in the delivery's thread: finding it delays nobody."""
    return [
        lambda transport: transport.set_code(find_code(settings.store_code)),
        lambda transport: transport.set_configuration("clearml-otel", settings.as_text()),
    ]


def _current_task() -> Any:
    """The application's main task; clearml is asked only where the application imported it."""
    module = sys.modules.get("clearml")
    task = getattr(module, "Task", None)
    return task.current_task() if task is not None else None
