"""Where a publisher reads the spans of a stream that its process has left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping

from clearml_otel.diagnostics import report
from clearml_otel.pipeline.span_codec import decoded
from clearml_otel.pipeline.spool import UNREADABLE
from clearml_otel.pipeline.spool_file import Label, SpoolFile
from clearml_otel.spans import SpanDecodeError, SpanRecord


class StoredParts:
    """The parts of one stream.

    Args:
        file: the spool.
        stream: its id.
        damage: errors of the database are added to it.
    """

    def __init__(self, file: SpoolFile, stream: str, damage: list[sqlite3.Error]) -> None:
        self._file = file
        self._stream = stream
        self._damage = damage

    def records(self, part: int) -> Iterator[SpanRecord]:
        """The spans of a part; a damaged batch is counted and named."""

        def on_damage(spans: int, error: SpanDecodeError) -> None:
            report("orphans.unreadable", f"LOST: {spans} spans are damaged: {error}")
            self._file.add_loss(self._stream, part, UNREADABLE, spans)

        try:
            yield from decoded(self._file.bodies(self._stream, part), on_damage)
        except sqlite3.Error as error:
            self._damage.append(error)
            report("orphans.damaged", f"LOST: a part of a spool cannot be read: {error}")

    def losses(self, part: int) -> Mapping[str, int]:
        """Lost spans of a part by reason."""
        return self._file.losses(self._stream, part)

    def set_label(self, label: Label) -> None:
        """Keep the name that a session is published under."""
        self._file.set_label(self._stream, label)

    def drop(self, part: int) -> None:
        """ClearML has the part."""
        self._file.drop_part(self._stream, part)
