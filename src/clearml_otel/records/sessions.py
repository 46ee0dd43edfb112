"""Which session a span belongs to, from what the spans say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from clearml_otel import attributes as names
from clearml_otel.conventions import foreign_session, read_run, with_doubles_marked
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
    the default session. A span that tells what another one tells, in another instrumentation's
    words, goes with that one.
    """
    by_trace: dict[str, list[SpanRecord]] = {}
    told_by_doubles: dict[str, SessionKey] = {}
    for span in with_doubles_marked(list(spans)):
        by_trace.setdefault(span.trace_id, []).append(span)
        if span.attributes.get(names.DOUBLE_OF) and (key := session_key(span)) is not None:
            counted = str(span.attributes[names.DOUBLE_OF])
            told_by_doubles[counted] = min(key, told_by_doubles.get(counted, key))
    homes: dict[str, SessionKey] = {}
    for trace in by_trace.values():
        own = {
            span.span_id: session_key(span) or told_by_doubles.get(span.span_id) for span in trace
        }
        of_trace = min((key for key in own.values() if key is not None), default=DEFAULT)
        homes.update({span_id: key or of_trace for span_id, key in own.items()})
    sessions: dict[SessionKey, list[SpanRecord]] = {}
    for trace in by_trace.values():
        for span in trace:
            counted = str(span.attributes.get(names.DOUBLE_OF) or span.span_id)
            key = homes.get(counted, homes[span.span_id])
            sessions.setdefault(key, []).append(span)
    return dict(
        sorted(
            ((key, spans) for key, spans in sessions.items() if not _only_doubles(spans)),
            key=lambda item: (min(span.start_time_ns for span in item[1]), item[0]),
        )
    )


def _only_doubles(spans: Iterable[SpanRecord]) -> bool:
    """Whether all that spans tell is told by others, in other sessions."""
    marked = [names.DOUBLE_OF in span.attributes for span in spans]
    return any(marked) and not any(read_run(span) for span in spans)


def session_key(span: SpanRecord) -> SessionKey | None:
    """What one span says of its session."""
    flush = str(span.attributes.get(names.TRACKER_SESSION) or "")
    for source in (names.SESSION_NAME,) if flush else _KEYS:
        value = span.attributes.get(source)
        if value not in (None, ""):
            # a conversation is a session, by another name
            same = names.SESSION_ID if source == names.CONVERSATION_ID else source
            return SessionKey(same, str(value), flush)
    named = foreign_session(span)
    if named is not None and not flush:
        return SessionKey(names.SESSION_ID, named)
    return SessionKey(names.TRACKER_SESSION, flush) if flush else None
