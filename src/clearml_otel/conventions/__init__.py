"""What a span says, per instrumentation that made it.

Our own spans are read by :mod:`~clearml_otel.conventions.clearml_otel`. Of every other convention
there is a table of names; :mod:`~clearml_otel.conventions.translation` reads them all.
"""

from __future__ import annotations

from clearml_otel.conventions.clearml_otel import read as read_own_run
from clearml_otel.conventions.dispatch import read_run
from clearml_otel.conventions.doubles import counted_for, key_of, with_doubles_marked
from clearml_otel.conventions.run import Generation, Point, Run, RunKind, Usage
from clearml_otel.conventions.sessions import foreign_session
from clearml_otel.conventions.trees import read_runs

__all__ = [
    "Generation",
    "Point",
    "Run",
    "RunKind",
    "Usage",
    "counted_for",
    "foreign_session",
    "key_of",
    "read_own_run",
    "read_run",
    "read_runs",
    "with_doubles_marked",
]
