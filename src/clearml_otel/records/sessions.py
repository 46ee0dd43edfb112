"""Which session a span belongs to, from what the spans say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from clearml_otel import attributes as names
from clearml_otel.conventions import (
    counted_for,
    foreign_session,
    key_of,
    read_run,
    with_doubles_marked,
)
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
    marked = with_doubles_marked(list(spans))
    homes = _homes(marked)
    sessions: dict[SessionKey, list[SpanRecord]] = {}
    for span in marked:
        home = homes.get(counted_for(span) or key_of(span)) or homes[key_of(span)]
        sessions.setdefault(home, []).append(span)
    return dict(
        sorted(
            _without_mere_doubles(sessions).items(),
            key=lambda item: (min(span.start_time_ns for span in item[1]), item[0]),
        )
    )


def _homes(spans: Iterable[SpanRecord]) -> dict[tuple[str, str], SessionKey]:
    """The session of each span, by what it, its doubles and its trace say."""
    by_trace: dict[str, list[SpanRecord]] = {}
    said: dict[tuple[str, str], SessionKey] = {}
    said_by_doubles: dict[tuple[str, str], SessionKey] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
        key, counted = session_key(span), counted_for(span)
        if key is not None:
            said[key_of(span)] = key
            if counted is not None:
                said_by_doubles[counted] = min(key, said_by_doubles.get(counted, key))
    said = {**said_by_doubles, **said}
    homes: dict[tuple[str, str], SessionKey] = {}
    for trace in by_trace.values():
        keys = [key_of(span) for span in trace]
        of_trace = min((said[key] for key in keys if key in said), default=DEFAULT)
        homes.update({key: said.get(key, of_trace) for key in keys})
    return homes


def _without_mere_doubles(
    sessions: dict[SessionKey, list[SpanRecord]],
) -> dict[SessionKey, list[SpanRecord]]:
    """Sessions of which all is told in others are no sessions; their spans are kept with these."""
    mere = [key for key, spans in sessions.items() if _only_doubles(spans)]
    kept = {key: spans for key, spans in sessions.items() if key not in mere}
    if not kept:
        return sessions
    for key in mere:
        kept[min(kept)] = [*kept[min(kept)], *sessions[key]]
    return kept


def _only_doubles(spans: Iterable[SpanRecord]) -> bool:
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
