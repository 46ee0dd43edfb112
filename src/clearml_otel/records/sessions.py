"""Which session a span belongs to, from what the spans say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from clearml_otel import attributes as names
from clearml_otel.spans import SpanRecord

_KEYS: Final = (names.SESSION_NAME, names.SESSION_ID, names.CONVERSATION_ID)


class SessionKey(NamedTuple):
    """Identity of a session: the attribute that said so and its value; both empty by default."""

    source: str
    value: str
    flush: str = ""

    @property
    def name(self) -> str | None:
        """The session's name where the spans give one; a tracker's count of flushes is none."""
        return None if self.source in {"", names.TRACKER_SESSION} else self.value


DEFAULT: Final = SessionKey("", "")


def group_sessions(spans: Iterable[SpanRecord]) -> dict[SessionKey, list[SpanRecord]]:
    """Spans by session, sessions in the order of their first start.

    A span that says nothing belongs to the session of its trace; a trace that says nothing, to
    the default session.
    """
    by_trace: dict[str, list[SpanRecord]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    sessions: dict[SessionKey, list[SpanRecord]] = {}
    for trace in by_trace.values():
        own = {span.span_id: session_key(span) for span in trace}
        of_trace = min((key for key in own.values() if key is not None), default=DEFAULT)
        for span in trace:
            sessions.setdefault(own[span.span_id] or of_trace, []).append(span)
    return dict(
        sorted(
            sessions.items(),
            key=lambda item: (min(span.start_time_ns for span in item[1]), item[0]),
        )
    )


def session_key(span: SpanRecord) -> SessionKey | None:
    """What one span says of its session."""
    flush = str(span.attributes.get(names.TRACKER_SESSION) or "")
    for source in (names.SESSION_NAME,) if flush else _KEYS:
        value = span.attributes.get(source)
        if value not in (None, ""):
            return SessionKey(source, str(value), flush)
    return SessionKey(names.TRACKER_SESSION, flush) if flush else None
