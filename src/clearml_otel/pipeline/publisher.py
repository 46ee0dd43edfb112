"""From a part of the spool to the steps that put its sessions into ClearML."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from clearml_otel.clearml.encoding import clean_text
from clearml_otel.clearml.transport import ModelUpload, Transport
from clearml_otel.diagnostics import report
from clearml_otel.pipeline.charts import Drawn, charts_step
from clearml_otel.pipeline.console import console_lines
from clearml_otel.pipeline.delivery import Job, Step
from clearml_otel.pipeline.labels import Labels
from clearml_otel.pipeline.late_readability import LateReadability, foreign_engine
from clearml_otel.pipeline.model_parameters import ModelParameters
from clearml_otel.pipeline.publication import (
    OpenSpan,
    Publication,
    late_spans_step,
    losses_step,
    model_steps,
    open_spans_step,
    spans_step,
)
from clearml_otel.pipeline.spool_file import Label
from clearml_otel.pipeline.tasks import Tasks, by_task, in_task
from clearml_otel.pipeline.telemetry import telemetry
from clearml_otel.pipeline.trace_links import with_trace_urls
from clearml_otel.pipeline.trace_notes import unplaced, with_incomplete
from clearml_otel.pipeline.visuals import Visuals
from clearml_otel.records import SessionKey, SessionTables, build_tables, group_sessions
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
        incomplete: of the other traces that are not whole, why they are published all the same.
        late: ids of traces that were published for good, and of which more has come long after.
    """

    left_out: Collection[str] = ()
    open_spans: Sequence[OpenSpan] = ()
    incomplete: Mapping[str, str] = field(default_factory=dict[str, str])
    late: Collection[str] = ()


@dataclass(slots=True)
class _Session:
    """A session of the current part, as it was published last; ``task`` names where."""

    task: str
    label: str
    console: int = 0
    spans: int = -1
    open_spans: bool = False
    drawn: Drawn = field(default_factory=Drawn)
    incomplete: Mapping[str, str] = field(default_factory=dict[str, str])


class SessionPublisher:
    """Names the sessions of one pipeline and publishes them; one call at a time, in one thread.

    Args:
        settings: how.
        parts: the spans.
        tasks: where to.
        suffix: what distinguishes the names of a forked child.
    """

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        tasks: Tasks,
        suffix: str = "",
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._tasks = tasks
        self._per = settings.task_per if tasks.several else "process"
        self._suffix = suffix
        self._labels: dict[str, Labels] = {}
        self._parameters = ModelParameters()
        self._open: dict[tuple[str, SessionKey], _Session] = {}
        self._readability = LateReadability(foreign_engine(settings))
        visualize = settings.visualize
        self.visuals = (
            Visuals(settings.visualize_model, settings.visualize_max_words) if visualize else None
        )

    def take(self, labels: Iterable[Label]) -> None:
        """These names were given by another process that published some of it."""
        for label in labels:
            task, *_ = json.loads(label.key)
            self._labels_in(task).take(label.label)

    def restore(self, labels: Iterable[Label]) -> None:
        """Go on with the sessions of the part that is published next.

        Args:
            labels: the names that another process gave to them.
        """
        self._open.clear()
        for label in labels:
            task, *key = json.loads(label.key)
            self._open[task, SessionKey(*key)] = _Session(task, label.label, label.console)

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
        named: bool = False,
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
            named: whether the sessions keep the names that they have now, as those of a part that
                has ended do.
        """
        job = Job(what, deque(), replaces)

        def expand(_: Transport) -> None:
            job.next(self._steps(job, part, name, model, view(), ends=ends, named=named or ends))

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
        named: bool,
    ) -> list[Step]:
        wanted = (r for r in self._parts.records(part) if r.trace_id not in view.left_out)
        records = self._readability.measured(wanted)
        sessions = group_sessions(records) if name is None and records else {_UNNAMED: records}
        if not (ends or records or view.open_spans):
            return []
        steps = self._withdrawn() if name is not None else []
        losses = dict(self._parts.losses(part))
        homes = by_task(self._per, sessions, {_UNNAMED: name} if name is not None else None)
        still_open = _by_home(view.open_spans, homes)
        for number, (task, key, own) in enumerate(homes):
            session = self._open.get((task, key)) if name is None else None
            if session is None:
                session = _Session(task, self._labels_in(task).new(self._name(key, name)))
                self._keep(part, key, session)
            self._open[task, key] = session
            left = still_open.get(number, [])
            work = _Work(session, part, key, own, view, model, losses, left, named)
            if work.is_news:
                steps.append(self._session_step(job, work))
            model, losses = None, {}
        if ends:
            self._go_on_with_the_others(part, {(task, key) for task, key, _ in homes})
            self._readability.forget()
            if self.visuals is not None:
                self.visuals.forget_sessions()
        return steps

    def _go_on_with_the_others(self, part: int, ended: Collection[tuple[str, SessionKey]]) -> None:
        """Sessions of which all goes on in the next part keep their names there."""
        self._open = {key: each for key, each in self._open.items() if key not in ended}
        for (_, key), session in self._open.items():
            self._keep(part + 1, key, session)

    def _session_step(self, job: Job, work: _Work) -> Step:
        """Makes the tables when it is their turn, so that one session's are held at a time."""
        task = work.session.task

        def make(_: Transport) -> None:
            # opened first: where there is no server nothing is made
            self._tasks.open(task)
            job.next(self._in_task(task, self._publication(job, work)))

        return make

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
            empty = Publication(session.label, nothing, (), (), now_ms).steps()
            if session.drawn.titles:
                empty.append(charts_step(session.label, nothing, session.drawn, now_ms))
            if session.open_spans:
                empty.append(open_spans_step(session.label, (), now_ms))
            steps += self._in_task(session.task, empty)
        return steps

    def _publication(self, job: Job, work: _Work) -> list[Step]:
        session, label, now_ms = work.session, work.session.label, time.time_ns() // 1_000_000
        model = work.model
        if model is not None:
            # a model of a used name would take the earlier one's place
            model = replace(model, name=label, file_name=f"{label}.json")
        console: Sequence[str] = ()
        try:
            late = unplaced(work.spans, work.view.late)
            tables = self._tables(work, late)
            if self._settings.stream_logs:
                console = console_lines(tables, session.console)
        except Exception as error:  # noqa: BLE001 - the spans are still worth keeping
            _report_unbuilt(label, error)
            return [spans_step(label, work.spans), *model_steps(model)]
        # the steps keep what they send, and nothing keeps it longer than they
        logged, spans, still_open = len(tables.actions.rows), len(work.spans), bool(work.open_spans)
        incomplete = work.incomplete

        def on_console() -> None:
            session.console = logged
            self._keep(work.part, work.key, session)

        def done(_: Transport) -> None:
            if not job.refused:
                telemetry.accepted(spans - session.spans)
                session.spans, session.open_spans = spans, still_open
                session.incomplete = incomplete

        # said before it is done: from the first event on there is something to be withdrawn
        session.spans = max(session.spans, 0)
        pages = self.visuals.steps(label, tables, now_ms) if self.visuals is not None else ()
        charts = [
            *self._charts(work, tables, now_ms),
            *self._parameters.steps(session.task, work.spans),
        ]
        steps = Publication(
            label, tables, work.spans, console, now_ms, model, pages, on_console, charts
        ).steps()
        if work.open_spans or session.open_spans:
            steps.append(open_spans_step(label, work.open_spans, now_ms))
        if late:
            steps.append(late_spans_step(label, late, now_ms))
        if work.losses:
            steps.append(losses_step(label, work.losses))
        return [*steps, done]

    def _charts(self, work: _Work, tables: SessionTables, now_ms: int) -> list[Step]:
        if not self._settings.charts:
            return []
        drawn, final = work.session.drawn, work.named
        # points cannot be taken back where the session is given another name
        return [charts_step(work.session.label, tables, drawn, now_ms, scalars=final)]

    def _tables(self, work: _Work, late: Sequence[SpanRecord]) -> SessionTables:
        ids = {(span.trace_id, span.span_id) for span in late}
        spans = [s for s in work.spans if (s.trace_id, s.span_id) not in ids] if ids else work.spans
        tables = with_incomplete(build_tables(spans), work.incomplete)
        return with_trace_urls(tables, self._settings.trace_url)

    def _in_task(self, name: str, steps: Iterable[Step]) -> list[Step]:
        return [in_task(self._tasks, name, step) for step in steps]

    def _labels_in(self, task: str) -> Labels:
        return self._labels.setdefault(task, Labels())

    def _keep(self, part: int, key: SessionKey, session: _Session) -> None:
        text = json.dumps([session.task, *key])
        self._parts.set_label(Label(part, text, session.label, session.console))

    def _name(self, key: SessionKey, name: str | None) -> str:
        given = name or key.name or self._settings.session_name or DEFAULT_SESSION
        return clean_text(f"{given}{self._suffix}")


@dataclass(slots=True)
class _Work:
    """One session's publication."""

    session: _Session
    part: int
    key: SessionKey
    spans: Sequence[SpanRecord]
    view: View
    model: ModelUpload | None
    losses: Mapping[str, int]
    open_spans: Sequence[OpenSpan]
    named: bool

    @property
    def incomplete(self) -> Mapping[str, str]:
        """What there is to say of its traces."""
        said = self.view.incomplete
        return {s.trace_id: said[s.trace_id] for s in self.spans if s.trace_id in said}

    @property
    def is_news(self) -> bool:
        """Whether ClearML does not have just this already."""
        return (
            len(self.spans) != self.session.spans
            or self.incomplete != self.session.incomplete
            or self.model is not None
            or bool(self.losses)
            or bool(self.open_spans)
            or self.session.open_spans
        )


def _report_unbuilt(label: str, error: Exception) -> None:
    report(
        "records.failed",
        f"the tables of session {label!r} could not be built ({type(error).__name__}: "
        f"{error}); its spans are kept as the artifact 'Spans - {label}'",
        exc_info=True,
    )


def _by_home(
    open_spans: Sequence[OpenSpan], homes: Sequence[tuple[str, SessionKey, Sequence[SpanRecord]]]
) -> dict[int, list[OpenSpan]]:
    """Open spans with the session of their trace; of those that nothing has ended of, the first."""
    found: dict[int, list[OpenSpan]] = {}
    if open_spans:
        of_trace = {span.trace_id: number for number, (*_, own) in enumerate(homes) for span in own}
        for each in open_spans:
            found.setdefault(of_trace.get(each.trace_id, 0), []).append(each)
    return found
