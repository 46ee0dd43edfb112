"""Reads an offline session, folder or ``.zip``, without ClearML.

Members of an archive are read in memory and by fixed names only, and no more of them than a session
can reasonably hold, so a hostile archive can neither write files nor fill the memory.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from clearml_otel.clearml.session_files import LOG_FILE, METRICS_FILE, TASK_FILE
from clearml_otel.clearml.transport import Event

MAX_FILE = 512_000_000
"""Bytes of one file of a session."""

_Open = Callable[[str], bytes | None]


class SessionError(Exception):
    """The session cannot be read; ``str(error)`` is one line that says why."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


@dataclass(frozen=True, slots=True)
class Table:
    """A table plot as it was reported: the names of its columns, and its cells by row."""

    metric: str
    variant: str
    iteration: int
    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True, slots=True)
class OfflineSession:
    """What a session holds.

    ``task`` is its ``task.json``; ``events`` are the reported ones in their order; ``notes`` say
    what is missing, as after a process that was killed while it wrote.
    """

    path: Path
    task: dict[str, Any]
    events: list[Event] = field(repr=False)
    notes: tuple[str, ...] = ()

    def tables(self) -> list[Table]:
        """The table plots, by first report; a later one of the same name and iteration replaces it.

        Raises:
            SessionError: a plot is no valid JSON.
        """
        found: dict[tuple[str, str, int], Table] = {}
        for event in self.events:
            if event.get("type") == "plot":
                table = self._table(event)
                if table is not None:
                    found[table.metric, table.variant, table.iteration] = table
        return list(found.values())

    def console(self) -> list[str]:
        """The lines of the console output."""
        messages = (str(event.get("msg", "")) for event in self.events if event["type"] == "log")
        return [line for message in messages for line in message.split("\n")]

    def _table(self, event: Event) -> Table | None:
        metric, variant = str(event.get("metric", "")), str(event.get("variant", ""))
        try:
            figure: Any = json.loads(event["plot_str"])
            trace: Any = figure["data"][0] if figure["data"] else {}
            if trace.get("type") != "table":
                return None
            names: list[Any] = trace["header"]["values"]
            cells: list[list[Any]] = trace["cells"]["values"]
            return Table(
                metric=metric,
                variant=variant,
                iteration=int(event.get("iter") or 0),
                columns=[_column(name) for name in names],
                rows=[list(row) for row in zip(*cells, strict=True)],
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise SessionError(
                f"{self.path}: the plot {metric}/{variant} is damaged ({_reason(error)})"
            ) from error


def read_session(path: Path) -> OfflineSession:
    """Read a session from its folder or ``.zip``.

    Args:
        path: as ClearML's SDK or the offline transport wrote it.

    Raises:
        SessionError: there is none, or it is damaged.
    """
    try:
        if path.is_dir():
            return _read(path, lambda name: _read_member(path / name))
        with zipfile.ZipFile(path) as archive:
            return _read(path, lambda name: _read_archived(archive, name))
    except FileNotFoundError as error:
        raise SessionError(f"{path}: there is no such offline session") from error
    except zipfile.BadZipFile as error:
        raise SessionError(f"{path}: neither a session's folder nor a whole .zip of one") from error
    except (OSError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SessionError(f"{path}: cannot be read ({_reason(error)})") from error


def _read(path: Path, read: _Open) -> OfflineSession:
    data = read(TASK_FILE)
    if data is None:
        raise SessionError(f"{path}: no offline session, for it holds no {TASK_FILE}")
    try:
        task: Any = json.loads(data)
    except ValueError as error:
        raise SessionError(f"{path}: {TASK_FILE} is damaged ({_reason(error)})") from error
    if not isinstance(task, dict):
        raise SessionError(f"{path}: {TASK_FILE} is damaged (it holds no JSON object)")
    notes: list[str] = []
    events = [
        event
        for name in (METRICS_FILE, LOG_FILE)
        for event in _events(path, name, read(name) or b"", notes)
    ]
    return OfflineSession(path, cast("dict[str, Any]", task), events, tuple(notes))


def _events(path: Path, name: str, data: bytes, notes: list[str]) -> Iterator[Event]:
    """The events of a file; a last line that was never finished was never accepted either."""
    whole, _, torn = data.rpartition(b"\n")
    if torn:
        notes.append(f"{name} ends in the middle of a line; what was being written is missing")
    for number, line in enumerate(whole.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            batch: Any = json.loads(line)
        except ValueError as error:
            raise SessionError(
                f"{path}: line {number} of {name} is damaged ({_reason(error)})"
            ) from error
        if not isinstance(batch, list) or not all(_is_event(each) for each in cast("Any", batch)):
            raise SessionError(f"{path}: line {number} of {name} holds no list of events")
        yield from cast("list[Event]", batch)


def _is_event(value: object) -> bool:
    return isinstance(value, dict) and isinstance(cast("Event", value).get("type"), str)


def _read_member(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return _bounded(path.name, file.read(MAX_FILE + 1))


def _read_archived(archive: zipfile.ZipFile, name: str) -> bytes | None:
    if name not in archive.namelist():
        return None
    with archive.open(name) as file:
        return _bounded(name, file.read(MAX_FILE + 1))


def _bounded(name: str, data: bytes) -> bytes:
    if len(data) > MAX_FILE:
        raise SessionError(f"{name} is larger than the {MAX_FILE:,} bytes that are read of it")
    return data


def _column(header: Any) -> str:
    """A column's name: ClearML's SDK puts it into a list, but for the index of a data frame."""
    return str(cast("list[Any]", header)[0] if isinstance(header, list) else header)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
