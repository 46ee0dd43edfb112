"""From a part of the spool to the steps that put its sessions into ClearML."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from clearml_otel.clearml.transport import ModelUpload, Transport
from clearml_otel.diagnostics import report
from clearml_otel.pipeline.console import console_lines
from clearml_otel.pipeline.delivery import Job, Step
from clearml_otel.pipeline.labels import Labels
from clearml_otel.pipeline.late_readability import LateReadability, foreign_engine
from clearml_otel.pipeline.publication import (
    OpenSpan,
    Publication,
    losses_step,
    model_steps,
    open_spans_step,
    spans_step,
)
from clearml_otel.pipeline.spool_file import Label
from clearml_otel.pipeline.telemetry import telemetry
from clearml_otel.pipeline.trace_links import with_trace_urls
from clearml_otel.pipeline.visuals import Visuals
from clearml_otel.records import SessionKey, build_tables, group_sessions
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord

DEFAULT_SESSION: Final = "session"
_UNNAMED: Final = SessionKey("", "")


class Parts(Protocol):
    """Where the publisher reads spans, and keeps what it decides."""

    def records(self, part: int) -> Iterable[SpanRecord]:
        """The spans of a part."""
        ...

    def losses(self, part: int) -> Mapping[str, int]:
        """Lost spans of a part by reason."""
        ...

    def set_label(self, label: Label) -> None:
        """Keep the name that a session is published under."""
        ...

    def drop(self, part: int) -> None:
        """ClearML has the part."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """What of a part is published.

    Args:
        left_out: ids of the traces that are not whole yet.
        open_spans: spans of the other traces that have not ended.
    """

    left_out: Collection[str] = ()
    open_spans: Sequence[OpenSpan] = ()


@dataclass(slots=True)
class _Session:
    """A session of the current part, as it was published last."""

    label: str
    console: int = 0
    spans: int = -1
    open_spans: bool = False


class SessionPublisher:
    """Names the sessions of one task and publishes them; one call at a time, in one thread.

    Args:
        settings: how.
        parts: the spans.
        on_task: called when the transport is open.
        suffix: what distinguishes the names of a forked child.
    """

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        on_task: Callable[[Transport], None] = lambda _: None,
        suffix: str = "",
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._on_task = on_task
        self._suffix = suffix
        self._labels = Labels()
        self._open: dict[SessionKey, _Session] = {}
        self._readability = LateReadability(foreign_engine(settings))
        visualize = settings.visualize
        self.visuals = (
            Visuals(settings.visualize_model, settings.visualize_max_words) if visualize else None
        )

    def restore(self, labels: Iterable[Label], part: int) -> None:
        """Take over from another process that published some of it.

        Args:
            labels: the names that were given.
            part: the part that is published next.
        """
        self._open.clear()
        for label in labels:
            self._labels.take(label.label)
            if label.part == part:
                key = SessionKey(*json.loads(label.key))
                self._open[key] = _Session(label.label, label.console)

    def job(
        self,
        what: str,
        part: int,
        *,
        ends: bool = False,
        replaces: str | None = None,
        name: str | None = None,
        model: ModelUpload | None = None,
        view: Callable[[], View] = View,
    ) -> Job:
        """The publication of a part.

        Args:
            what: what the log calls it.
            part: its number.
            ends: whether the part has ended: it is dropped once ClearML has it.
            replaces: see :class:`~clearml_otel.pipeline.delivery.Job`.
            name: the series of all that there is, as one session; by default each session keeps
                the name that its spans give it.
            model: goes with the first session.
            view: asked for what is to be published, when it is.
        """
        job = Job(what, deque(), replaces)

        def expand(transport: Transport) -> None:
            self._on_task(transport)
            job.next(self._steps(job, part, name, model, view(), ends=ends))

        def drop(_: Transport) -> None:
            # what was refused for good stays in the spool until it is too old: another version,
            # of this package or of the server, may take it
            if not job.refused:
                self._parts.drop(part)

        job.steps.append(expand)
        if ends:
            job.steps.append(drop)
        return job

    def _steps(
        self,
        job: Job,
        part: int,
        name: str | None,
        model: ModelUpload | None,
        view: View,
        *,
        ends: bool,
    ) -> list[Step]:
        wanted = (r for r in self._parts.records(part) if r.trace_id not in view.left_out)
        records = self._readability.measured(wanted)
        sessions = group_sessions(records) if name is None and records else {_UNNAMED: records}
        if not (ends or records or view.open_spans):
            return []
        steps = self._withdrawn() if name is not None else []
        losses = dict(self._parts.losses(part))
        still_open = _by_session(view.open_spans, sessions)
        for key, own in sessions.items():
            session = self._open.get(key) if name is None else None
            if session is None:
                session = _Session(self._labels.new(self._name(key, name)))
                self._keep(part, key, session)
            self._open[key] = session
            work = _Work(session, part, key, own, model, losses, still_open.get(key, []))
            if work.is_news:
                steps.append(self._session_step(job, work))
            model, losses = None, {}
        if ends:
            self._open = {}
            self._readability.forget()
            if self.visuals is not None:
                self.visuals.forget_sessions()
        return steps

    def _session_step(self, job: Job, work: _Work) -> Step:
        """Makes the tables when it is their turn, so that one session's are held at a time."""
        return lambda _: job.next(self._publication(job, work))

    def _withdrawn(self) -> list[Step]:
        """Empties what was published before these sessions were given a name of their own."""
        published = [session for session in self._open.values() if session.spans >= 0]
        self._open = {}
        if not published:
            return []
        now_ms = time.time_ns() // 1_000_000
        nothing = build_tables(())
        steps: list[Step] = []
        for session in published:
            steps += Publication(session.label, nothing, (), (), now_ms).steps()
            if session.open_spans:
                steps.append(open_spans_step(session.label, (), now_ms))
        return steps

    def _publication(self, job: Job, work: _Work) -> list[Step]:
        session, label, now_ms = work.session, work.session.label, time.time_ns() // 1_000_000
        model = work.model
        if model is not None:
            # a model of a used name would take the earlier one's place
            model = replace(model, name=label, file_name=f"{label}.json")
        console: Sequence[str] = ()
        try:
            tables = with_trace_urls(build_tables(work.spans), self._settings.trace_url)
            if self._settings.stream_logs:
                console = console_lines(tables, session.console)
        except Exception as error:  # noqa: BLE001 - the spans are still worth keeping
            report(
                "records.failed",
                f"the tables of session {label!r} could not be built ({type(error).__name__}: "
                f"{error}); its spans are kept as the artifact 'Spans - {label}'",
                exc_info=True,
            )
            return [spans_step(label, work.spans), *model_steps(model)]
        # the steps keep what they send, and nothing keeps it longer than they
        logged, spans, still_open = len(tables.actions.rows), len(work.spans), bool(work.open_spans)

        def on_console() -> None:
            session.console = logged
            self._keep(work.part, work.key, session)

        def done(_: Transport) -> None:
            if not job.refused:
                telemetry.accepted(spans - session.spans)
                session.spans, session.open_spans = spans, still_open

        # said before it is done: from the first event on there is something to be withdrawn
        session.spans = max(session.spans, 0)
        pages = self.visuals.steps(label, tables, now_ms) if self.visuals is not None else ()
        steps = Publication(
            label, tables, work.spans, console, now_ms, model, pages, on_console
        ).steps()
        if work.open_spans or session.open_spans:
            steps.append(open_spans_step(label, work.open_spans, now_ms))
        if work.losses:
            steps.append(losses_step(label, work.losses))
        return [*steps, done]

    def _keep(self, part: int, key: SessionKey, session: _Session) -> None:
        self._parts.set_label(Label(part, json.dumps(key), session.label, session.console))

    def _name(self, key: SessionKey, name: str | None) -> str:
        given = name or key.name or self._settings.session_name or DEFAULT_SESSION
        return f"{given}{self._suffix}"


@dataclass(slots=True)
class _Work:
    """One session's publication."""

    session: _Session
    part: int
    key: SessionKey
    spans: Sequence[SpanRecord]
    model: ModelUpload | None
    losses: Mapping[str, int]
    open_spans: Sequence[OpenSpan]

    @property
    def is_news(self) -> bool:
        """Whether ClearML does not have just this already."""
        return (
            len(self.spans) != self.session.spans
            or self.model is not None
            or bool(self.losses)
            or bool(self.open_spans)
            or self.session.open_spans
        )


def _by_session(
    open_spans: Sequence[OpenSpan], sessions: Mapping[SessionKey, Sequence[SpanRecord]]
) -> dict[SessionKey, list[OpenSpan]]:
    """Open spans with the session of their trace; of those that nothing has ended of, the first."""
    found: dict[SessionKey, list[OpenSpan]] = {}
    if open_spans:
        of_trace = {span.trace_id: key for key, spans in sessions.items() for span in spans}
        first = next(iter(sessions))
        for each in open_spans:
            found.setdefault(of_trace.get(each.trace_id, first), []).append(each)
    return found
