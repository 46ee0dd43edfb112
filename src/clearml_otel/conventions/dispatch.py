"""Which convention a span follows: by its scope's name first, then by its attributes."""

from __future__ import annotations

from typing import Final

from clearml_otel import attributes as names
from clearml_otel.conventions import clearml_otel as own
from clearml_otel.conventions.convention import Convention
from clearml_otel.conventions.genai import GENAI
from clearml_otel.conventions.langfuse import LANGFUSE
from clearml_otel.conventions.langsmith import LANGSMITH
from clearml_otel.conventions.mlflow import MLFLOW
from clearml_otel.conventions.openinference import OPENINFERENCE
from clearml_otel.conventions.run import Run
from clearml_otel.conventions.traceloop import TRACELOOP
from clearml_otel.conventions.translation import translate
from clearml_otel.spans import SpanRecord

# those whose spans carry others' attributes too stand before these others
CONVENTIONS: Final = (OPENINFERENCE, LANGSMITH, LANGFUSE, TRACELOOP, GENAI, MLFLOW)


def convention_of(span: SpanRecord) -> Convention | None:
    """The foreign convention of a span; None for ours, and for spans of no model or chain."""
    if span.scope_name == names.SCOPE_NAME:
        return None
    for convention in CONVENTIONS:
        if span.scope_name.startswith(convention.scopes):
            return convention
    for convention in CONVENTIONS:
        if any(mark in span.attributes for mark in convention.marks):
            return convention
    return None


def tells_runs(span: SpanRecord) -> bool:
    """Whether a span follows a convention that tells runs; much cheaper than reading it."""
    return span.scope_name == names.SCOPE_NAME or convention_of(span) is not None


def read_run(span: SpanRecord) -> Run | None:
    """The run that a span stands for, or None for a span that is no run (HTTP, database, …).

    None also for a span that was found to tell what another one tells; see
    :mod:`~clearml_otel.conventions.doubles`.
    """
    if names.DOUBLE_OF in span.attributes:
        return None
    if span.scope_name == names.SCOPE_NAME:
        return own.read(span)
    convention = convention_of(span)
    return translate(span, convention) if convention is not None else None
