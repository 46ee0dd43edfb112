"""The spool of this process: on disk, and in memory where the disk does not take it.

What is in it: finished spans that are not yet in ClearML. They are deleted when ClearML has
accepted the tables that they are in for the last time; what is left when the process ends, however
it ends, is delivered by the next one (:mod:`~clearml_otel.pipeline.orphans`).
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from clearml_otel.diagnostics import report
from clearml_otel.pipeline import spool_folder
from clearml_otel.pipeline.fork_guard import guard
from clearml_otel.pipeline.spool_file import Label, NamedPart, SpoolFile
from clearml_otel.pipeline.telemetry import telemetry

_Answer = TypeVar("_Answer")

Split: TypeAlias = "tuple[tuple[bytes, int], tuple[bytes, int]]"
"""What of a batch stays in its part and what goes to the next: encoded, and how many spans."""

_MOST_IN_MEMORY: Final = 128_000_000
_LEAST_BETWEEN_CHECKS: Final = 1_000_000
_RETRY_DISK_S: Final = 30.0

FULL: Final = "the spool was full"
OLD: Final = "too long in the spool"
UNREADABLE: Final = "damaged in the spool"
UNWRITABLE: Final = "cannot be written down"


class Spool:
    """Never raises; what it cannot keep is counted by reason and named in the log.

    Args:
        folder: the setting ``spool_folder``.
        on_disk: whether files may be written at all.
        max_bytes: what is kept at most; the oldest spans make room.
        max_age_s: seconds that spans are kept at most.
    """

    def __init__(
        self, folder: str = "", *, on_disk: bool = True, max_bytes: int, max_age_s: float
    ) -> None:
        self._folder = folder
        self._on_disk = on_disk
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._ownership: spool_folder.Ownership | None = None
        self._disk: SpoolFile | None = None
        self._memory: SpoolFile | None = None
        self._disk_retry_at = 0.0
        self._unchecked = 0
        self._infos: dict[str, Mapping[str, Any]] = {}
        self._finished: set[str] = set()
        self.left: set[str] = set()
        """Streams of closed pipelines that ClearML has not taken."""

    @property
    def path(self) -> Path | None:
        """Its file; None where there is none (yet)."""
        return self._disk.path if self._disk is not None else None

    @property
    def folders(self) -> list[Path]:
        """Where its file is, or would be, and where those of other processes may be."""
        return spool_folder.candidates(self._folder) if self._on_disk else []

    @property
    def waits(self) -> bool:
        """Whether something of a stream is in it."""
        return any(self._ask(lambda file: bool(file.streams().keys() - self._finished)))

    # -- what a stream does -------------------------------------------------------------------

    def append(self, stream: str, part: int, body: bytes, spans: int) -> None:
        """Keep a batch of spans."""
        if not self._try_disk(lambda disk: disk.append(stream, part, body, spans)):
            self._in_memory().append(stream, part, body, spans)
        self._unchecked += len(body)
        if self._unchecked > max(self._max_bytes // 16, _LEAST_BETWEEN_CHECKS):
            self._make_room()

    def bodies(self, stream: str, part: int) -> Iterator[tuple[int, bytes]]:
        """The batches of a part, with their numbers of spans."""
        for file in self._files():
            yield from self._bodies(file, stream, part)

    def _bodies(self, file: SpoolFile, stream: str, part: int) -> Iterator[tuple[int, bytes]]:
        try:
            yield from file.bodies(stream, part)
        except sqlite3.Error as error:
            if file not in self._files():
                # it was closed meanwhile, and the next process reads it
                return
            report(
                "spool.damaged",
                f"LOST: a part of the spool {file.path} cannot be read: {error}",
                level=logging.ERROR,
            )

    def split(self, stream: str, part: int, split: Callable[[bytes], Split | None]) -> None:
        """Move spans of a part to the next one.

        Args:
            stream: the stream.
            part: its part.
            split: what of a batch stays and what goes; None where all stays.
        """
        self._on_both(lambda file: _split(file, stream, part, split))

    def lose(self, stream: str, part: int, reason: str, spans: int) -> None:
        """Note spans of a part that are lost, so that its publication says so."""
        telemetry.lost(spans, reason)
        if not self._try_disk(lambda disk: disk.add_loss(stream, part, reason, spans)):
            self._in_memory().add_loss(stream, part, reason, spans)

    def losses(self, stream: str, part: int) -> dict[str, int]:
        """Lost spans of a part by reason."""
        found: dict[str, int] = {}
        for each in self._ask(lambda file: file.losses(stream, part)):
            for reason, spans in each.items():
                found[reason] = found.get(reason, 0) + spans
        return found

    def set_stream(self, stream: str, info: Mapping[str, Any]) -> None:
        """Keep what is needed to publish a stream in another process."""
        self._infos[stream] = info
        self._on_both(lambda file: file.set_stream(stream, info))

    def name_part(self, stream: str, part: int, named: NamedPart) -> None:
        """Keep what a flush said of a part."""
        if not self._try_disk(lambda disk: disk.name_part(stream, part, named)):
            self._in_memory().name_part(stream, part, named)

    def set_label(self, stream: str, label: Label) -> None:
        """Keep the name that a session is published under."""
        self._on_both(lambda file: file.set_label(stream, label))

    def drop_part(self, stream: str, part: int) -> None:
        """ClearML has it."""
        self._on_both(lambda file: file.drop_part(stream, part))

    def drop_stream(self, stream: str) -> None:
        """Nothing of it waits any more."""
        self._infos.pop(stream, None)
        if not self._on_both(lambda file: file.drop_stream(stream)):
            # on a disk that is full nothing can be deleted either
            self._finished.add(stream)

    # -- upkeep -------------------------------------------------------------------------------

    def maintain(self) -> None:
        """Keep to the caps, and move to the disk what waits for it; called now and then."""
        self._make_room()
        self._on_both(lambda file: file.checkpoint())
        if self._memory is not None:
            self._move_to_disk(self._memory)

    def bytes_used(self) -> int:
        """Bytes in use."""
        return sum(self._ask(lambda file: file.bytes_used()))

    def close(self) -> None:
        """The process ends: leave to the next one what waits, delete the files where nothing does.

        Names what is lost because it is in memory and no disk takes it.
        """
        if self._memory is not None:
            self._move_to_disk(self._memory)
            self._name_losses(self._memory)
        disk, self._disk, self._memory = self._disk, None, None
        if disk is not None and disk.path is not None:
            try:
                waits = bool(disk.streams().keys() - self._finished)
                disk.close()
            except sqlite3.Error as error:
                report("spool.close", f"the spool {disk.path} cannot be closed: {error}")
                waits = True
            if not waits:
                spool_folder.remove(disk.path)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the lock; in a forked child, of all that is the parent's."""
        if self._disk is not None:
            # closing it here would take the parent's locks away
            _inherited.append(self._disk)
        self._disk = self._memory = None
        self._infos = {}
        self._finished = set()
        self.left = set()
        self._disk_retry_at = 0.0
        if self._ownership is not None:
            self._ownership.release()
            self._ownership = None

    # -- disk and memory ----------------------------------------------------------------------

    def _files(self) -> list[SpoolFile]:
        return [file for file in (self._disk, self._memory) if file is not None]

    def _ask(self, question: Callable[[SpoolFile], _Answer]) -> list[_Answer]:
        """The answers of disk and memory; one that fails gives none."""
        answers: list[_Answer] = []
        for file in self._files():
            self._attempt(file, lambda each: answers.append(question(each)))
        return answers

    def _on_both(self, change: Callable[[SpoolFile], None]) -> bool:
        """Whether both did it."""
        done = [self._attempt(file, change) for file in self._files()]
        return all(done)

    def _attempt(self, file: SpoolFile, call: Callable[[SpoolFile], None]) -> bool:
        try:
            call(file)
        except sqlite3.Error as error:
            if file is self._disk:
                self._disk_failed(error)
            return False
        return True

    def _try_disk(self, change: Callable[[SpoolFile], None]) -> bool:
        """Whether the disk took it; one that refused is asked again half a minute later."""
        if not self._on_disk or time.monotonic() < self._disk_retry_at:
            return False
        try:
            with guard.calls:  # two threads must not make two files
                if self._disk is None:
                    self._open_disk()
                if self._disk is None:
                    return False
                change(self._disk)
        except sqlite3.Error as error:
            self._disk_failed(error)
            return False
        return True

    def _open_disk(self) -> None:
        why = ""
        for folder in spool_folder.candidates(self._folder):
            try:
                spool_folder.make_folder(folder)
                path = spool_folder.new_path(folder)
                ownership = spool_folder.own(path, new=True)
                spool_folder.prepared(path)
                self._disk = SpoolFile(path)
            except (OSError, sqlite3.Error) as error:
                why = why or f"{folder}: {getattr(error, 'strerror', None) or error}"
                continue
            self._ownership = ownership
            for stream, info in self._infos.items():
                self._disk.set_stream(stream, info)
            return
        self._disk_failed(why)

    def _disk_failed(self, why: object) -> None:
        self._disk_retry_at = time.monotonic() + _RETRY_DISK_S
        report(
            "spool.disk",
            f"spans cannot be kept on disk ({why}) and are kept in memory: until ClearML has them, "
            "the end of this process would lose them; make room, or set "
            "OTEL_EXPORTER_CLEARML_SPOOL_FOLDER to a folder that can be written",
            level=logging.ERROR,
        )

    def _in_memory(self) -> SpoolFile:
        with guard.calls:
            if self._memory is None:
                self._memory = SpoolFile(None)
                for stream, info in self._infos.items():
                    self._memory.set_stream(stream, info)
            return self._memory

    def _move_to_disk(self, memory: SpoolFile) -> None:
        """Move batch by batch; what was said of streams and parts is in both places already."""
        for stream in memory.streams():
            for part in memory.parts(stream):
                named = memory.named_part(stream, part)
                while (found := memory.first_body(stream, part)) is not None:
                    spans, body, number = found

                    def move(
                        disk: SpoolFile,
                        stream: str = stream,
                        part: int = part,
                        body: bytes = body,
                        spans: int = spans,
                        named: NamedPart = named,
                    ) -> None:
                        disk.append(stream, part, body, spans)
                        if named != NamedPart():
                            disk.name_part(stream, part, named)

                    if not self._try_disk(move):
                        return
                    memory.drop_batch(number)

    # -- losses -------------------------------------------------------------------------------

    def _make_room(self) -> None:
        self._unchecked = 0
        for file in self._files():
            most = self._max_bytes if file.path else min(self._max_bytes, _MOST_IN_MEMORY)
            try:
                while (dropped := file.drop_oldest(time.time() - self._max_age_s)) is not None:
                    self._dropped(file, dropped, OLD)
                while file.bytes_used() > most:
                    if (dropped := file.drop_oldest(None)) is None:
                        break
                    self._dropped(file, dropped, FULL)
            except sqlite3.Error as error:
                report("spool.caps", f"the spool {file.path} cannot be kept small: {error}")

    def _dropped(self, file: SpoolFile, dropped: tuple[str, int, int], reason: str) -> None:
        stream, part, spans = dropped
        file.add_loss(stream, part, reason, spans)
        telemetry.lost(spans, reason)
        report_loss(spans, reason)

    def _name_losses(self, memory: SpoolFile) -> None:
        spans = sum(count for count, _, _ in memory.waiting().values())
        if spans:
            report(
                "spool.lost",
                f"LOST: {spans} spans: neither ClearML nor a folder on this machine took them",
                level=logging.ERROR,
            )


def _split(file: SpoolFile, stream: str, part: int, split: Callable[[bytes], Split | None]) -> None:
    last = 0
    while (found := file.first_body(stream, part, last)) is not None:
        _, body, last = found
        if (shares := split(body)) is not None:
            file.split_batch(last, *shares)


_inherited: list[SpoolFile] = []
"""Databases of a parent process, kept so that nobody closes them here."""


def report_loss(spans: int, reason: str) -> None:
    """Say in the log that spans are lost."""
    report(
        f"spool.loss.{reason}",
        f"LOST: {spans} spans, {reason}: ClearML has not taken them for long; see "
        "`clearml-otel doctor` for why, or raise OTEL_EXPORTER_CLEARML_SPOOL_MAX_MB and "
        "OTEL_EXPORTER_CLEARML_SPOOL_MAX_AGE_H",
        level=logging.ERROR,
    )
