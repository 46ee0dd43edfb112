"""Readability that no callback computed, in the export's worker.

Answers that were too long for a callback, and those in spans of other instrumentations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from clearml_otel import attributes as names
from clearml_otel.conventions import read_run
from clearml_otel.readability import ENGINES, Measurer, is_prose
from clearml_otel.score_attributes import score_attributes
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord

MOST_KEPT: Final = 10_000
"""Spans whose metrics are kept between publications: some two kilobytes each."""

Scores: TypeAlias = "Mapping[str, str | int | float]"


class _Key(NamedTuple):
    """A span, and what would change if more of it came to be known."""

    trace_id: str
    span_id: str
    engine: str
    end_time_ns: int | None
    attributes: int


class LateReadability:
    """Measures answers once, however often the session that they are in is published.

    Args:
        foreign: the engine for other instrumentations' answers; None for not at all.
        most_kept: spans whose metrics are kept; those beyond are measured each time.
    """

    def __init__(self, foreign: str | None = None, most_kept: int = MOST_KEPT) -> None:
        self._foreign = foreign
        self._most_kept = most_kept
        self._measurers: dict[str, Measurer] = {}
        self._kept: dict[_Key, Scores | None] = {}

    def measured(self, records: Iterable[SpanRecord]) -> list[SpanRecord]:
        """The records, those that were left for later with their metrics.

        A span of ours says with which engine; an archive's spans are measured as the application
        would have.

        Args:
            records: of any instrumentations.
        """
        return [
            self._measured(record, engine) if engine in ENGINES else record
            for record in records
            for engine in (_engine(record, self._foreign),)
        ]

    def forget(self) -> None:
        """The sessions are over: none of them is published again."""
        self._kept.clear()

    def _measured(self, record: SpanRecord, engine: str) -> SpanRecord:
        length = len(record.attributes)
        key = _Key(record.trace_id, record.span_id, engine, record.end_time_ns, length)
        if key in self._kept:
            scores = self._kept[key]
        else:
            scores = self._scores(record, engine)
            if len(self._kept) < self._most_kept:
                self._kept[key] = scores
        if scores is None:
            return record
        attributes = {**record.attributes, **scores}
        attributes.pop(names.READABILITY_LATER, None)
        return replace(record, attributes=attributes)

    def _scores(self, record: SpanRecord, engine: str) -> Scores | None:
        """The metrics of a span's answers as attributes; None where it has no answers."""
        run = read_run(record)
        if run is None or not run.generations:
            return None
        measurer = self._measurers.get(engine)
        if measurer is None:
            measurer = self._measurers[engine] = Measurer(engine)
        metrics = [
            answer.readability
            or (measurer(answer.text) if answer.text and is_prose(answer.text) else {})
            for answer in run.generations
        ]
        return dict(score_attributes(metrics, measurer.engine, measurer.version))


def foreign_engine(settings: Settings) -> str | None:
    """What measures other instrumentations' answers, or None where metrics are switched off."""
    return settings.readability if settings.complexity_metrics else None


def _engine(record: SpanRecord, foreign: str | None) -> str | None:
    if record.scope_name == names.SCOPE_NAME:
        later = record.attributes.get(names.READABILITY_LATER)
        return None if later is None else str(later)
    return None if names.READABILITY_ENGINE in record.attributes else foreign
