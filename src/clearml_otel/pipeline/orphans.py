"""What processes left in the spool when they ended: found, published, deleted.

Each process looks when it first uses the spool and once a minute after; ``clearml-otel upload``
looks at once. A spool has one owner at a time, by a lock that ends with its process, so that no two
of them publish the same spans. Publishing twice would do no harm either: a table that is sent again
replaces itself.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, cast

from opentelemetry.instrumentation.utils import suppress_instrumentation

from clearml_otel.clearml.time_left import until
from clearml_otel.clearml.transport import (
    Status,
    TaskReference,
    Transport,
    TransportError,
)
from clearml_otel.diagnostics import report
from clearml_otel.pipeline import spool_folder
from clearml_otel.pipeline.delivery import perform
from clearml_otel.pipeline.destination import destination_of, transport_to_resume
from clearml_otel.pipeline.named_parts import model_of
from clearml_otel.pipeline.publisher import SessionPublisher
from clearml_otel.pipeline.spool import OLD, report_loss
from clearml_otel.pipeline.spool_file import SpoolFile, SpoolVersionError
from clearml_otel.pipeline.stored_parts import StoredParts
from clearml_otel.pipeline.tasks import MAIN, Tasks
from clearml_otel.pipeline.telemetry import telemetry
from clearml_otel.settings import Settings

_DIED: Final = "its process ended before it could close this task; another one published its spans"


@dataclass(frozen=True, slots=True)
class Left:
    """A stream that waits in a spool.

    Args:
        path: the spool.
        stream: its id.
        info: what its process said of it.
        spans: how many.
        bytes: how many bytes they have there.
        oldest: seconds since the epoch when the oldest was added.
        in_use: whether the process that it belongs to is alive.
    """

    path: Path
    stream: str
    info: Mapping[str, Any]
    spans: int
    bytes: int
    oldest: float
    in_use: bool

    @property
    def settings(self) -> Settings:
        """Those of its process."""
        return settings_of(self.info)

    @property
    def destination(self) -> str:
        """Where it is to go."""
        return str(self.info.get("destination", ""))

    @property
    def is_for_us(self) -> bool:
        """Whether this process would send it to the same place."""
        return self.destination == destination_of(self.settings)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a stream: its task's place, or why it still waits.

    ``unreachable`` says that the others would wait for the same reason.
    """

    left: Left
    location: str = ""
    problem: str = ""
    unreachable: bool = False


def settings_of(info: Mapping[str, Any]) -> Settings:
    """The settings that a stream was made with; unknown ones are another version's."""
    known = {each.name for each in fields(Settings)}
    given: object = info.get("settings")
    said = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    return Settings.load_or_repair(**{k: v for k, v in said.items() if k in known})


def waiting(folders: Iterable[Path]) -> list[Left]:
    """What is in the spools of these folders; nothing is changed."""
    return [left for path in _paths(folders) for left in _waiting(path)]


def of_other_versions(folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The spools that another version of this package has made, and which one's they are."""
    for path in _paths(folders):
        with contextlib.suppress(OSError, sqlite3.Error):
            try:
                SpoolFile(path).close()
            except SpoolVersionError as error:
                yield path, str(error)


def _waiting(path: Path) -> list[Left]:
    try:
        ownership = spool_folder.own(path)
        if ownership is not None:
            # it is nobody's; who delivers it will take it for longer
            ownership.release()
        file = SpoolFile(path)
    except (sqlite3.Error, SpoolVersionError, OSError):
        return []
    try:
        return _left(file, in_use=ownership is None)
    except sqlite3.Error:
        return []
    finally:
        file.close()


def deliver(
    folders: Iterable[Path],
    *,
    everything: bool = False,
    own: Iterable[Path] = (),
    deadline: float = math.inf,
    on_start: Callable[[Left], None] = lambda _: None,
) -> Iterator[Delivered]:
    """Publish what dead processes left.

    Args:
        folders: where their spools are.
        everything: also what another server was meant for.
        own: spools of this very process.
        deadline: on :func:`time.monotonic`, after which no step begins.
        on_start: told of each stream before it is published.

    Yields:
        What became of each stream.
    """
    mine = set(own)
    for path in _paths(folders):
        if path in mine:
            continue
        try:
            ownership = spool_folder.own(path)
        except OSError as error:
            report("orphans.lock", f"the spool {path} cannot be locked: {error}")
            continue
        if ownership is None:
            continue
        try:
            yield from _deliver_file(path, everything, deadline, on_start)
        finally:
            ownership.release()


def drop_old(folders: Iterable[Path], own: Iterable[Path] = ()) -> None:
    """Delete what nobody has taken for longer than its process would have kept it.

    Args:
        folders: where the spools of dead processes are.
        own: spools of this very process, which keeps to its caps by itself.
    """
    mine = set(own)
    for path in _paths(folders):
        with contextlib.suppress(OSError, sqlite3.Error, SpoolVersionError):
            if path not in mine and (ownership := spool_folder.own(path)) is not None:
                try:
                    _drop_old_streams(path)
                finally:
                    ownership.release()


def _drop_old_streams(path: Path) -> None:
    file = SpoolFile(path)
    try:
        for left in _left(file, in_use=False):
            longest_s = left.settings.spool_max_age_h * 3_600.0
            if left.stream in file.unchanged_since(time.time() - longest_s):
                file.drop_stream(left.stream)
                telemetry.lost(left.spans, OLD)
                report_loss(left.spans, OLD)
        empty = not _left(file, in_use=False)
    finally:
        file.close()
    if empty:
        spool_folder.remove(path)


def deliver_own(path: Path, streams: Collection[str]) -> Iterator[Delivered]:
    """Publish what closed pipelines of this very process left in its spool, which stays in use.

    Args:
        path: the spool.
        streams: theirs.

    Yields:
        What became of each.
    """
    try:
        file = SpoolFile(path)
    except sqlite3.Error:
        return
    try:
        damage: list[sqlite3.Error] = []
        for left in _left(file, in_use=True):
            if left.stream in streams:
                yield _deliver_stream(file, left, damage, math.inf)
    finally:
        file.close()


def _deliver_file(
    path: Path,
    everything: bool,
    deadline: float,
    on_start: Callable[[Left], None],
) -> Iterator[Delivered]:
    try:
        file = SpoolFile(path)
    except SpoolVersionError as error:
        report("orphans.version", f"the spool {path} is left alone: {error}")
        return
    except sqlite3.Error as error:
        _set_aside(path, error)
        return
    damage: list[sqlite3.Error] = []
    empty = False
    try:
        for left in _left(file, in_use=False):
            if everything or left.is_for_us:
                on_start(left)
                yield _deliver_stream(file, left, damage, deadline)
        empty = not _left(file, in_use=False)
    except sqlite3.Error as error:
        damage.append(error)
    finally:
        file.close()
        if damage:
            _set_aside(path, damage[0])
        elif empty:
            spool_folder.remove(path)


def _set_aside(path: Path, error: object) -> None:
    try:
        aside = spool_folder.set_aside(path)
    except OSError as problem:
        aside, error = path, problem
    report(
        f"orphans.corrupt.{path.name}",
        f"the spool {path} is damaged ({error}): what could be read of it was published, the file "
        f"is kept as {aside}",
        level=logging.ERROR,
    )


def _left(file: SpoolFile, *, in_use: bool) -> list[Left]:
    assert file.path is not None
    counts = file.waiting()
    # where the disk was full, spans may be there of which nothing else is
    streams: dict[str, dict[str, Any]] = {**{each: {} for each in counts}, **file.streams()}
    return [
        Left(file.path, stream, info, *counts.get(stream, (0, 0, 0.0)), in_use)
        for stream, info in streams.items()
    ]


def _paths(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in dict.fromkeys(folders):
        yield from spool_folder.spools(folder)


# -- one stream ------------------------------------------------------------------------------


def _deliver_stream(
    file: SpoolFile, left: Left, damage: list[sqlite3.Error], deadline: float
) -> Delivered:
    """Publish a stream in this thread."""
    parts = StoredParts(file, left.stream, damage)
    try:
        with suppress_instrumentation(), until(lambda: deadline):
            tasks = _tasks_to_resume(file, left)
            refused = _publish(file, left, parts, tasks)
            location = _location(tasks)
            if refused:
                return Delivered(left, location, refused[0])
            status = cast("Status", left.info.get("status") or "failed")
            for transport in tasks.opened().values():
                transport.close(status, str(left.info.get("message") or _DIED))
            file.drop_stream(left.stream)
    except TransportError as error:
        return Delivered(left, problem=str(error), unreachable=error.transient)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - the other streams are not to wait for this one
        return Delivered(left, problem=f"{type(error).__name__}: {error}")
    return Delivered(left, _location(tasks))


def _tasks_to_resume(file: SpoolFile, left: Left) -> Tasks:
    """The tasks that a stream's process has made, open; others of its are made as it would."""
    settings, known = left.settings, _references(left.info)

    def make(name: str) -> Transport:
        transport = transport_to_resume(settings, known.get(name), name)
        try:
            if name in known:
                transport.open()
        except TransportError as error:
            if error.transient:
                raise
            # somebody deleted the task
            transport = transport_to_resume(settings, None, name)
        return transport

    def note_tasks() -> None:
        known.update(tasks.references())
        noted = {name: asdict(each) for name, each in known.items()}
        file.set_stream(left.stream, {**left.info, "tasks": noted})

    several = bool(left.info.get("several_tasks"))
    tasks = Tasks(make, several=several, on_open=note_tasks)
    for name in list(known) if several else (MAIN,):
        tasks.open(name)
    return tasks


def _publish(
    file: SpoolFile,
    left: Left,
    parts: StoredParts,
    tasks: Tasks,
) -> list[str]:
    """Publish the parts; gives what ClearML refuses for good."""
    settings = left.settings
    publisher = SessionPublisher(settings, parts, tasks, str(left.info.get("suffix") or ""))
    refused: list[str] = []
    publisher.take(file.labels(left.stream))
    for part in file.parts(left.stream):
        named = file.named_part(left.stream, part)
        publisher.restore(file.labels(left.stream, part))
        job = publisher.job(
            f"what another process left ({settings.task_name})",
            part,
            ends=True,
            name=named.name,
            model=model_of(named),
        )
        perform(job, tasks.main)
        refused += job.refused
    return refused


def _references(info: Mapping[str, Any]) -> dict[str, TaskReference]:
    """The tasks that a process has made, by session or service."""
    tasks = cast("dict[str, dict[str, Any]]", info.get("tasks") or {})
    return {name: TaskReference(**each) for name, each in tasks.items()}


def _location(tasks: Tasks) -> str:
    """Where the tasks are, one of them for all."""
    locations = [each.location for each in tasks.opened().values() if each.location]
    if len(locations) < 2:
        return "".join(locations)
    return f"{locations[0]} and {len(locations) - 1} more tasks"
