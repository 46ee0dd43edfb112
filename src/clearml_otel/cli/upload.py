"""``clearml-otel upload``: what waits in the spool, and offline sessions, to ClearML."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from clearml_otel.clearml.connection import Connection
from clearml_otel.clearml.transport import TransportError
from clearml_otel.cli.errors import CommandError
from clearml_otel.cli.show import open_session
from clearml_otel.cli.tables import cell_text
from clearml_otel.pipeline import orphans, spool_folder
from clearml_otel.pipeline.orphans import Delivered, Left
from clearml_otel.settings import Settings, SettingsError, offline_mode

_TIMEOUTS_S: Final = (3.0, 10.0)


def run_upload(sessions: Sequence[Path], *, everything: bool = False) -> None:
    """Deliver what dead processes left in the spool, or the given offline sessions.

    Args:
        sessions: folders or ``.zip`` files of offline sessions; none for the spool.
        everything: also what was meant for another server.

    Raises:
        CommandError: something still waits, with the reason.
    """
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        faults = (
            _upload_sessions(sessions, progress)
            if sessions
            else _upload_spool(progress, everything=everything)
        )
    if faults:
        raise CommandError(*faults)


# -- the spool -------------------------------------------------------------------------------


def _upload_spool(progress: Progress, *, everything: bool) -> list[str]:
    folders = spool_folders()
    found = orphans.waiting(folders)
    ready = [left for left in found if not left.in_use and (everything or left.is_for_us)]
    bar = progress.add_task("spool", total=sum(left.spans for left in ready))

    def show(left: Left) -> None:
        progress.update(bar, description=f"{left.spans} spans of {_task(left)}")

    faults: list[str] = []
    for each in orphans.deliver(folders, everything=everything, on_start=show):
        progress.advance(bar, each.left.spans)
        faults += _told(each)
    _tell_others(found, everything=everything)
    return faults


def spool_folders() -> list[Path]:
    """Where the settings in force keep their spools.

    Raises:
        CommandError: for settings that cannot be used.
    """
    try:
        return spool_folder.candidates(Settings.load().spool_folder)
    except SettingsError as error:
        raise CommandError(str(error)) from error


def _told(delivered: Delivered) -> list[str]:
    left = delivered.left
    if delivered.problem:
        return [f"{left.spans} spans of {_task(left)} still wait: {delivered.problem}"]
    print_line(f"{left.spans} spans of {_task(left)} are in {delivered.location}")
    return []


def _tell_others(found: Sequence[Left], *, everything: bool) -> None:
    if not found:
        print_line("Nothing waits in the spool.")
    for left in found:
        if left.in_use:
            print_line(f"{left.spans} spans of {_task(left)} are a running process's own.")
        elif not (everything or left.is_for_us):
            print_line(
                f"{left.spans} spans of {_task(left)} are for {left.destination}: run this with "
                "that server's settings, or with --all to send them to this one."
            )


def _task(left: Left) -> str:
    settings = left.settings
    return cell_text(f"{settings.project_name} / {settings.task_name}")


def print_line(text: str) -> None:
    """One line on stdout, as it is."""
    Console(highlight=False, emoji=False, markup=False, soft_wrap=True).print(text)


# -- offline sessions ------------------------------------------------------------------------


def _upload_sessions(paths: Sequence[Path], progress: Progress) -> list[str]:
    for path in paths:
        open_session(path)
    if offline_mode(os.environ):
        raise CommandError("CLEARML_OFFLINE_MODE is set: unset it to upload offline sessions")
    try:
        # ClearML's own importer would wait for hours for a server that is not there
        Connection(_TIMEOUTS_S).close()
    except TransportError as error:
        raise CommandError(str(error)) from error
    bar = progress.add_task("sessions", total=len(paths))
    faults: list[str] = []
    for path in paths:
        progress.update(bar, description=path.name)
        faults += _upload_session(path)
        progress.advance(bar)
    return faults


def _upload_session(path: Path) -> list[str]:
    task: Any = importlib.import_module("clearml").Task
    try:
        with contextlib.redirect_stdout(sys.stderr):
            task_id = task.import_offline_session(str(path))
            page = task.get_task(task_id).get_output_log_web_page() if task_id else ""
    except Exception as error:  # noqa: BLE001 - ClearML raises what it likes; the others go on
        return [f"{path}: ClearML did not import it: {type(error).__name__}: {error}"]
    if not task_id:
        return [f"{path}: ClearML did not import it; its own messages say why"]
    print_line(f"{path.name} is in {page}")
    return []
