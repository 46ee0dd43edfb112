"""``clearml-otel replay``: archived spans to ClearML's tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from clearml_otel.clearml.transport import TransportError
from clearml_otel.cli.errors import CommandError
from clearml_otel.cli.tables import cell_text
from clearml_otel.conventions import read_run
from clearml_otel.pipeline.replay import ReplayResult, replay
from clearml_otel.settings import ENV_PREFIX, Settings, SettingsError
from clearml_otel.spans import SpanDecodeError, SpanRecord
from clearml_otel.spans.otlp_json import read_otlp_json_lines


def run_replay(
    files: Sequence[Path],
    *,
    project: str | None = None,
    task_name: str | None = None,
    sessions: Sequence[str] = (),
) -> None:
    """Publish the sessions of archived spans as one ClearML task and print what and where.

    Args:
        files: OTLP JSON lines, one trace or many, in any order.
        project: the ClearML project; by default that of the settings.
        task_name: the task; by default that of the settings, or the first file's name.
        sessions: names for the sessions in the order of their starts.

    Raises:
        CommandError: for settings, files and servers that cannot be used; what could be read is
            published nevertheless.
    """
    try:
        name = task_name or _default_task_name(files)
        settings = Settings.load(project_name=project, task_name=name)
    except SettingsError as error:
        raise CommandError(str(error)) from error
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        records, faults = _read(files, progress)
        if not any(read_run(record) for record in records):
            nothing = f"no LangChain runs among the {len(records)} spans: nothing is published"
            raise CommandError(*(faults or [f"{', '.join(map(str, files))}: {nothing}"]))
        progress.add_task("publishing", total=None)
        try:
            result = replay(records, settings, sessions)
        except TransportError as error:
            raise CommandError(*faults, str(error)) from error
    _print_result(result)
    if unused := sessions[len(result.sessions) :]:
        given = f"{len(sessions)} session names for {len(result.sessions)} sessions"
        faults.append(f"{given}: not used: {', '.join(unused)}")
    if faults:
        raise CommandError(*(f"{fault}; the rest is published" for fault in faults))


def _default_task_name(files: Sequence[Path]) -> str | None:
    if os.environ.get(f"{ENV_PREFIX}TASK_NAME", "").strip():
        return None
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"replay of {cell_text(files[0].name)}{more}"


def _read(files: Sequence[Path], progress: Progress) -> tuple[list[SpanRecord], list[str]]:
    """The spans of all files, and one line for each file that is damaged."""
    records: list[SpanRecord] = []
    faults: list[str] = []
    reading = progress.add_task("reading", total=len(files))
    for path in files:
        found: list[SpanDecodeError] = []
        try:
            for record in read_otlp_json_lines(path, found.append):
                records.append(record)
                progress.update(reading, description=f"reading {path.name}: {len(records)} spans")
        except SpanDecodeError as error:
            found.append(error)
        if found:
            more = f" (and {len(found) - 1} more such lines)" if len(found) > 1 else ""
            faults.append(f"{found[0]}{more}")
        progress.advance(reading)
    return records, faults


def _print_result(result: ReplayResult) -> None:
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    for session in result.sessions:
        tables = session.tables
        console.print(
            f"{cell_text(session.name)}: {len(tables.actions.rows)} action records, "
            f"{len(tables.session.rows)} prompts with their answers, {len(tables.runs.rows)} runs"
        )
    for location in result.locations:
        console.print(f"The tables are in {location}")
