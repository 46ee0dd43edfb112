"""Readability of the answers that were too long for a callback, computed in the export's worker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from clearml_otel import attributes as names
from clearml_otel.conventions import read_run
from clearml_otel.readability import ENGINES, Measurer, is_prose
from clearml_otel.score_attributes import score_attributes
from clearml_otel.spans import SpanRecord


def with_late_readability(records: Iterable[SpanRecord]) -> list[SpanRecord]:
    """The records, those that were left for later with their metrics.

    A span says with which engine; an archive's spans are measured as the application would have.
    """
    measurers: dict[str, Measurer] = {}
    return [
        _measured(record, measurers) if record.attributes.get(names.READABILITY_LATER) else record
        for record in records
    ]


def _measured(record: SpanRecord, measurers: dict[str, Measurer]) -> SpanRecord:
    engine = str(record.attributes[names.READABILITY_LATER])
    run = read_run(record)
    if run is None or engine not in ENGINES:
        return record
    measurer = measurers.setdefault(engine, Measurer(engine))
    metrics = [
        answer.readability
        or (measurer(answer.text) if answer.text and is_prose(answer.text) else {})
        for answer in run.generations
    ]
    attributes = dict(record.attributes)
    del attributes[names.READABILITY_LATER]
    attributes.update(score_attributes(metrics, measurer.engine, measurer.version))
    return replace(record, attributes=attributes)
