"""What a span says, per instrumentation that made it.

One module a convention; each gives a :class:`~clearml_otel.conventions.run.Run` or None.
"""

from __future__ import annotations

from clearml_otel.conventions import clearml_otel as _own
from clearml_otel.conventions.run import Generation, Point, Run, RunKind, Usage
from clearml_otel.spans import SpanRecord

__all__ = ["Generation", "Point", "Run", "RunKind", "Usage", "read_run"]


def read_run(span: SpanRecord) -> Run | None:
    """The run that a span stands for, or None for a span that is no run (HTTP, database, …)."""
    return _own.read(span)
