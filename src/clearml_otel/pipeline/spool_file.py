"""One spool: a SQLite database with batches of finished spans and what is needed to publish them.

Of each stream (a tracker in a process) it knows the settings and the ClearML task; of each part of
a stream (what is published together) its batches, its session's names and its model. Nothing here
knows what a span is.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from clearml_otel.pipeline.fork_guard import guard

SCHEMA_VERSION: Final = 2
MEMORY: Final = ":memory:"
_BUSY_S: Final = 5.0

_SCHEMA: Final = f"""
CREATE TABLE stream (id TEXT PRIMARY KEY, created REAL NOT NULL, info TEXT NOT NULL);
CREATE TABLE part (stream TEXT, number INTEGER, name TEXT, model TEXT, data BLOB,
                   PRIMARY KEY (stream, number));
CREATE TABLE batch (id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL,
                    part INTEGER NOT NULL, added REAL NOT NULL, spans INTEGER NOT NULL,
                    body BLOB NOT NULL);
CREATE INDEX batch_part ON batch (stream, part);
CREATE TABLE label (stream TEXT, part INTEGER, key TEXT, label TEXT NOT NULL,
                    console INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (stream, part, key));
CREATE TABLE loss (stream TEXT, part INTEGER, reason TEXT, spans INTEGER NOT NULL,
                   PRIMARY KEY (stream, part, reason));
PRAGMA user_version = {SCHEMA_VERSION};
"""


class SpoolVersionError(Exception):
    """The spool was made by another version of this package."""


@dataclass(frozen=True, slots=True)
class NamedPart:
    """What a flush said of the part that it ended: its session's name, and a model's fields."""

    name: str | None = None
    model: Mapping[str, Any] | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Label:
    """The series that a session of a part is published under, and what the console has of it."""

    part: int
    key: str
    label: str
    console: int = 0


class SpoolFile:
    """The database; every method may raise :class:`sqlite3.Error`.

    Args:
        path: its file; None for one in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        with guard.calls:
            self._database = _connected(path)
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise

    def _prepare(self) -> None:
        run = self._database.execute
        run("PRAGMA journal_mode = WAL")
        # the process may be killed at any time and nothing is lost; a power failure may cost the
        # last moments. Nothing waits for the disk: see `checkpoint`
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA wal_autocheckpoint = 0")
        (version,) = run("PRAGMA user_version").fetchone()
        if version == 0:
            self._database.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
        elif version != SCHEMA_VERSION:
            raise SpoolVersionError(f"version {version}, not {SCHEMA_VERSION}")

    # -- batches ------------------------------------------------------------------------------

    def append(self, stream: str, part: int, body: bytes, spans: int) -> None:
        """Add a batch; it is there even if the process is killed right after."""
        with guard.calls:
            self._database.execute(
                "INSERT INTO batch (stream, part, added, spans, body) VALUES (?, ?, ?, ?, ?)",
                (stream, part, time.time(), spans, body),
            )

    def bodies(self, stream: str, part: int) -> Iterator[tuple[int, bytes]]:
        """The batches of a part with their numbers of spans, one call of SQLite each."""
        last = 0
        while (row := self.first_body(stream, part, last)) is not None:
            spans, body, last = row
            yield spans, body

    def first_body(self, stream: str, part: int, after: int = 0) -> tuple[int, bytes, int] | None:
        """The oldest batch of a part after another: its number of spans, the batch and its id."""
        with guard.calls:
            return self._database.execute(
                "SELECT spans, body, id FROM batch WHERE stream = ? AND part = ? AND id > ?"
                " ORDER BY id LIMIT 1",
                (stream, part, after),
            ).fetchone()

    def split_batch(
        self, number: int, staying: tuple[bytes, int], going: tuple[bytes, int]
    ) -> None:
        """Move a share of a batch to the next part; a process killed meanwhile has not moved it.

        Args:
            number: the batch's id.
            staying: what is left of it, and its number of spans.
            going: likewise what is moved.
        """
        with self._transaction() as run:
            run(
                "INSERT INTO batch (stream, part, added, spans, body)"
                " SELECT stream, part + 1, added, ?, ? FROM batch WHERE id = ?",
                (going[1], going[0], number),
            )
            if staying[1]:
                run(
                    "UPDATE batch SET spans = ?, body = ? WHERE id = ?",
                    (staying[1], staying[0], number),
                )
            else:
                run("DELETE FROM batch WHERE id = ?", (number,))

    def drop_batch(self, number: int) -> None:
        """Delete a batch by its id."""
        with guard.calls:
            self._database.execute("DELETE FROM batch WHERE id = ?", (number,))

    def drop_oldest(self, before: float | None) -> tuple[str, int, int] | None:
        """Delete the oldest batch, or the oldest added before a time.

        Returns:
            Its stream, part and number of spans; None where there is none.
        """
        with guard.calls:
            row = self._database.execute(
                "SELECT id, stream, part, spans FROM batch WHERE added < ? ORDER BY id LIMIT 1",
                (float("inf") if before is None else before,),
            ).fetchone()
            if row is None:
                return None
            self._database.execute("DELETE FROM batch WHERE id = ?", row[:1])
            return row[1], row[2], row[3]

    def add_loss(self, stream: str, part: int, reason: str, spans: int) -> None:
        """Note spans that are not in the spool and should be."""
        with guard.calls:
            self._database.execute(
                "INSERT INTO loss VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET spans = spans + excluded.spans",
                (stream, part, reason, spans),
            )

    def losses(self, stream: str, part: int) -> dict[str, int]:
        """Lost spans of a part by reason."""
        with guard.calls:
            rows = self._database.execute(
                "SELECT reason, spans FROM loss WHERE stream = ? AND part = ?", (stream, part)
            ).fetchall()
        return dict(rows)

    # -- parts --------------------------------------------------------------------------------

    def name_part(self, stream: str, part: int, named: NamedPart) -> None:
        """Keep what a flush said of a part."""
        model = json.dumps(named.model) if named.model is not None else None
        with guard.calls:
            self._database.execute(
                "INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?)",
                (stream, part, named.name, model, named.data),
            )

    def named_part(self, stream: str, part: int) -> NamedPart:
        """What a flush said of a part."""
        with guard.calls:
            row = self._database.execute(
                "SELECT name, model, data FROM part WHERE stream = ? AND number = ?",
                (stream, part),
            ).fetchone()
        if row is None:
            return NamedPart()
        return NamedPart(row[0], None if row[1] is None else _object(row[1]), row[2] or b"")

    def parts(self, stream: str) -> list[int]:
        """The parts of a stream of which something waits."""
        with guard.calls:
            rows = self._database.execute(
                "SELECT part FROM batch WHERE stream = ? UNION"
                " SELECT number FROM part WHERE stream = ? UNION"
                " SELECT part FROM loss WHERE stream = ? ORDER BY 1",
                (stream, stream, stream),
            ).fetchall()
        return [number for (number,) in rows]

    def drop_part(self, stream: str, part: int) -> None:
        """Delete a part that ClearML has; the names that it was published under stay taken."""
        with self._transaction() as run:
            run("DELETE FROM batch WHERE stream = ? AND part = ?", (stream, part))
            run("DELETE FROM part WHERE stream = ? AND number = ?", (stream, part))
            run("DELETE FROM loss WHERE stream = ? AND part = ?", (stream, part))

    def set_label(self, stream: str, label: Label) -> None:
        """Keep the name that a session is published under."""
        with guard.calls:
            self._database.execute(
                "INSERT OR REPLACE INTO label VALUES (?, ?, ?, ?, ?)",
                (stream, label.part, label.key, label.label, label.console),
            )

    def labels(self, stream: str, part: int | None = None) -> list[Label]:
        """The names that sessions of a stream, or of one part, were published under."""
        only = "" if part is None else " AND part = ?"
        with guard.calls:
            rows = self._database.execute(
                "SELECT part, key, label, console FROM label"  # noqa: S608 - our own words
                f" WHERE stream = ?{only} ORDER BY rowid",
                (stream,) if part is None else (stream, part),
            ).fetchall()
        return [Label(*row) for row in rows]

    # -- streams ------------------------------------------------------------------------------

    def set_stream(self, stream: str, info: Mapping[str, Any]) -> None:
        """Keep what is needed to publish a stream in another process."""
        with guard.calls:
            self._database.execute(
                "INSERT INTO stream VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET info=excluded.info",
                (stream, time.time(), json.dumps(info)),
            )

    def streams(self) -> dict[str, dict[str, Any]]:
        """What is known of each stream, oldest first."""
        with guard.calls:
            rows = self._database.execute("SELECT id, info FROM stream ORDER BY created").fetchall()
        return {stream: _object(info) for stream, info in rows}

    def drop_stream(self, stream: str) -> None:
        """Delete a stream with all that is left of it."""
        with self._transaction() as run:
            for table in ("batch", "part", "label", "loss"):
                run(f"DELETE FROM {table} WHERE stream = ?", (stream,))  # noqa: S608 - our names
            run("DELETE FROM stream WHERE id = ?", (stream,))

    # -- the whole ----------------------------------------------------------------------------

    def waiting(self) -> dict[str, tuple[int, int, float]]:
        """Of each stream the spans and bytes that wait, and when the oldest was added."""
        with guard.calls:
            rows = self._database.execute(
                "SELECT stream, sum(spans), sum(length(body)), min(added) FROM batch"
                " GROUP BY stream"
            ).fetchall()
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def unchanged_since(self, moment: float) -> list[str]:
        """The streams to which nothing was added after a time."""
        with guard.calls:
            rows = self._database.execute(
                "SELECT id FROM (SELECT id, created AS at FROM stream"
                " UNION ALL SELECT stream, added FROM batch) GROUP BY id HAVING max(at) < ?",
                (moment,),
            ).fetchall()
        return [stream for (stream,) in rows]

    def bytes_used(self) -> int:
        """Bytes of the pages in use."""
        with guard.calls:
            (pages,) = self._database.execute("PRAGMA page_count").fetchone()
            (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
            (each,) = self._database.execute("PRAGMA page_size").fetchone()
        return (pages - free) * each

    def checkpoint(self) -> None:
        """Move what was appended into the database's file; waits for the disk, nobody else does."""
        if self.path is None:
            return
        with guard.checkpoints:
            database = _connected(self.path)
            try:
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
            finally:
                database.close()

    def close(self) -> None:
        """Close the database."""
        with guard.calls:
            self._database.close()

    @contextlib.contextmanager
    def _transaction(self) -> Generator[Any]:
        with guard.calls:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database.execute
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


def _object(text: str) -> dict[str, Any]:
    """A JSON object of the database; in a damaged one anything may stand in its place."""
    try:
        value: object = json.loads(text)
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"what was said of its spans is damaged: {error}") from error
    if not isinstance(value, dict):
        raise sqlite3.DatabaseError("what was said of its spans is damaged")
    return cast("dict[str, Any]", value)


def _connected(path: Path | None) -> sqlite3.Connection:
    return sqlite3.connect(
        str(path) if path else MEMORY,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_S,
    )
