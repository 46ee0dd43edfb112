"""What ClearML did not take before the program ended goes into an offline session."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clearml_otel.clearml.offline import OfflineTransport
from clearml_otel.clearml.transport import Status
from clearml_otel.diagnostics import report
from clearml_otel.pipeline.delivery import Delivery, Job
from clearml_otel.pipeline.destination import task_descriptions, task_spec
from clearml_otel.settings import Settings

_TIMEOUT_S: Final = 30.0


def rescue(left: Sequence[Job], settings: Settings, status: Status = "completed") -> None:
    """Write undelivered jobs to disk and say where they are, or name what is lost.

    Args:
        left: the jobs, with the steps that are still to be done.
        settings: name the task that they were for.
        status: the task's final status.
    """
    what = ", ".join(job.name for job in left)
    for folder in _folders(settings):
        transport = OfflineTransport(task_spec(settings), folder=folder)
        delivery = Delivery(transport, task_descriptions(settings))
        for job in left:
            delivery.submit(job)
        left = delivery.close(status, "kept while ClearML could not be reached", _TIMEOUT_S)
        if not left:
            report(
                f"rescue.{transport.location}",
                f"{what}: not accepted in time, so kept in {transport.location}; upload it with "
                f'python -c "from clearml import Task; '
                f'Task.import_offline_session({transport.location!r})"',
                level=logging.ERROR,
            )
            return
    report(
        "rescue.failed",
        f"LOST: {what}: neither ClearML nor a folder on this machine took it",
        level=logging.ERROR,
    )


def _folders(settings: Settings) -> list[Path | None]:
    """The settings' folder (None: ClearML's own), then one for temporary files."""
    given = Path(settings.offline_folder) if settings.offline_folder else None
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return [given, Path(tempfile.gettempdir()) / f"clearml-otel-{user}"]
