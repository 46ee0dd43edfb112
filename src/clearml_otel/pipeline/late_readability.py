"""Readability that no callback computed, in the export's worker.

Answers that were too long for a callback, and those in spans of other instrumentations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from clearml_otel import attributes as names
from clearml_otel.conventions import read_run
from clearml_otel.readability import ENGINES, Measurer, is_prose
from clearml_otel.score_attributes import score_attributes
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord


def foreign_engine(settings: Settings) -> str | None:
    """What measures other instrumentations' answers, or None where metrics are switched off."""
    return settings.readability if settings.complexity_metrics else None


def with_late_readability(
    records: Iterable[SpanRecord], foreign: str | None = None
) -> list[SpanRecord]:
    """The records, those that were left for later with their metrics.

    A span of ours says with which engine; an archive's spans are measured as the application would
    have.

    Args:
        records: of any instrumentations.
        foreign: the engine for other instrumentations' answers; None for not at all.
    """
    measurers: dict[str, Measurer] = {}
    return [
        _measured(record, engine, measurers) if engine in ENGINES else record
        for record in records
        for engine in (_engine(record, foreign),)
    ]


def _engine(record: SpanRecord, foreign: str | None) -> str | None:
    if record.scope_name == names.SCOPE_NAME:
        later = record.attributes.get(names.READABILITY_LATER)
        return None if later is None else str(later)
    return None if names.READABILITY_ENGINE in record.attributes else foreign


def _measured(record: SpanRecord, engine: str, measurers: dict[str, Measurer]) -> SpanRecord:
    run = read_run(record)
    if run is None or not run.generations:
        return record
    measurer = measurers.get(engine) or measurers.setdefault(engine, Measurer(engine))
    metrics = [
        answer.readability
        or (measurer(answer.text) if answer.text and is_prose(answer.text) else {})
        for answer in run.generations
    ]
    attributes = dict(record.attributes)
    attributes.pop(names.READABILITY_LATER, None)
    attributes.update(score_attributes(metrics, measurer.engine, measurer.version))
    return replace(record, attributes=attributes)
