"""Which session a span of another instrumentation names."""

from __future__ import annotations

from clearml_otel.conventions.dispatch import convention_of
from clearml_otel.conventions.foreign_values import decoded, find, text_of
from clearml_otel.spans import SpanRecord


def foreign_session(span: SpanRecord) -> str | None:
    """The session that the span's convention names, or None."""
    convention = convention_of(span)
    if convention is None:
        return None
    found = text_of(find(span.attributes, convention.sessions, encoded=convention.encoded))
    # Langfuse writes metadata as JSON, text in quotes
    return text_of(decoded(found)) if found is not None and found.startswith('"') else found
