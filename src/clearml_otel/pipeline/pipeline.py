"""From finished spans to published sessions: what a tracker, an exporter and a replay share."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from clearml_otel import lifecycle
from clearml_otel.clearml.transport import ModelUpload, Status, Transport
from clearml_otel.diagnostics import report
from clearml_otel.pipeline.console import console_lines
from clearml_otel.pipeline.delivery import Delivery, Job, Step
from clearml_otel.pipeline.destination import task_descriptions
from clearml_otel.pipeline.late_readability import foreign_engine, with_late_readability
from clearml_otel.pipeline.publication import Publication, model_steps, spans_step
from clearml_otel.pipeline.rescue import rescue
from clearml_otel.pipeline.sessions import AnySpan, Labels, SpanBuffer, decoded
from clearml_otel.pipeline.visuals import Visuals
from clearml_otel.records import SessionKey, build_tables, group_sessions
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord

DEFAULT_SESSION: Final = "session"
_UNNAMED: Final = SessionKey("", "")


class Pipeline:
    """Holds one task's spans and publishes their sessions.

    Nothing here decodes a span, builds a table or talks to ClearML in the caller's thread: that
    is the delivery's work.

    Args:
        settings: how.
        transport: where to; it is opened when the first session is published.
    """

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self.settings = settings
        self._delivery = Delivery(transport, task_descriptions(settings))
        self._closed = False
        self._in_child = False
        self._closing = threading.Lock()
        self._reset()
        lifecycle.register(self)

    def _reset(self) -> None:
        self._buffer = SpanBuffer()
        self._labels = Labels()
        self._open_labels: dict[SessionKey, str] = {}
        self._console_sent: dict[SessionKey, int] = {}
        self._visuals = self._new_visuals() if self.settings.visualize else None

    def _new_visuals(self) -> Visuals:
        return Visuals(self.settings.visualize_model, self.settings.visualize_max_words)

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closed

    @property
    def transport(self) -> Transport:
        """Where the sessions go."""
        return self._delivery.transport

    def add(self, span: AnySpan) -> None:
        """Take a finished span; never blocks on the network and never decodes."""
        if self._closed:
            report(
                "pipeline.closed",
                "a span ended after its ClearML task was closed and is not in the tables; "
                "close the task (finish=True, provider.shutdown()) after the last run",
            )
        elif self._buffer.add(span) >= self.settings.max_buffered_spans:
            self.end_sessions()

    def buffered(self) -> list[SpanRecord]:
        """The spans of the sessions that are open now."""
        return decoded(self._buffer.snapshot())

    def publish(self) -> None:
        """Queue the sessions' tables as they are now; a later publication replaces them."""
        spans = self._buffer.snapshot()
        if spans:
            self._submit("the tables of the open sessions", spans, replaces="open sessions")

    def end_sessions(self, name: str | None = None, model: ModelUpload | None = None) -> None:
        """Queue what there is and let new sessions begin, counting from zero.

        Args:
            name: the series of all that there is, as one session; by default each session keeps
                the name that its spans give it.
            model: goes with the first session.
        """
        spans = self._buffer.take()
        what = f"the tables of session {name!r}" if name else "the tables of the last sessions"
        if spans or name or model:
            self._submit(what, spans, name=name, model=model, ends=True)

    def wait(self, timeout_s: float) -> bool:
        """Wait until everything queued is in ClearML; False when something still waits."""
        return self._delivery.wait(timeout_s)

    def close(self, status: Status | None = None, message: str = "") -> None:
        """Publish what there is, deliver it within the time-out and give the task its status.

        Args:
            status: the task's; by default completed, or failed where an exception ends the program.
            message: the reason that ClearML shows.
        """
        with self._closing:
            if self._closed:
                return
            self.end_sessions()
            self._closed = True
        lifecycle.unregister(self)
        if status is None:
            status, message = _status_at_exit()
        self._hurry_pages()
        left = self._delivery.close(status, message, self.settings.shutdown_timeout_s)
        if left:
            self._hurry_pages()
            rescue(left, self.settings, status)

    def after_fork(self) -> None:
        """In a forked child: the parent publishes what it had; the child begins its own tables."""
        self._in_child = True
        self._closing = threading.Lock()
        self._reset()
        self._delivery.after_fork()

    def _hurry_pages(self) -> None:
        """Leave half of the time at the end to the network."""
        if self._visuals is not None:
            self._visuals.stop_after(self.settings.shutdown_timeout_s / 2)

    def _submit(
        self,
        what: str,
        spans: list[AnySpan],
        *,
        replaces: str | None = None,
        name: str | None = None,
        model: ModelUpload | None = None,
        ends: bool = False,
    ) -> None:
        job = Job(what, deque(), replaces)

        def expand(_: Transport) -> None:
            records = with_late_readability(decoded(spans), foreign_engine(self.settings))
            spans.clear()
            job.steps.extend(self._session_steps(records, name, model))
            if ends:
                self._open_labels.clear()
                self._console_sent.clear()
                if self._visuals is not None:
                    self._visuals.forget_sessions()

        job.steps.append(expand)
        self._delivery.submit(job)

    def _session_steps(
        self, records: Sequence[SpanRecord], name: str | None, model: ModelUpload | None
    ) -> list[Step]:
        """The steps of each session; runs in the delivery's thread, one call at a time."""
        sessions = group_sessions(records) if name is None and records else {_UNNAMED: records}
        steps = self._withdrawn() if name is not None else []
        for key, own in sessions.items():
            label = self._open_labels.get(key) if name is None else None
            label = label or self._labels.new(self._name(key, name))
            self._open_labels[key] = label
            if model is not None:
                # a model of a used name would take the earlier one's place
                model = replace(model, name=label, file_name=f"{label}.json")
            steps += self._publication(key, label, own, model)
            model = None
        return steps

    def _withdrawn(self) -> list[Step]:
        """Empties what was published before these sessions were given a name of their own."""
        labels = list(self._open_labels.values())
        if not labels:
            return []
        self._open_labels.clear()
        self._console_sent.clear()
        now_ms = time.time_ns() // 1_000_000
        nothing = build_tables(())
        emptied = (Publication(label, nothing, (), (), now_ms) for label in labels)
        return [step for publication in emptied for step in publication.steps()]

    def _publication(
        self, key: SessionKey, label: str, spans: Sequence[SpanRecord], model: ModelUpload | None
    ) -> list[Step]:
        console: Sequence[str] = ()
        try:
            tables = build_tables(spans)
            if self.settings.stream_logs:
                console = console_lines(tables, self._console_sent.get(key, 0))
        except Exception as error:  # noqa: BLE001 - the spans are still worth keeping
            report(
                "records.failed",
                f"the tables of session {label!r} could not be built ({type(error).__name__}: "
                f"{error}); its spans are kept as the artifact 'Spans - {label}'",
                exc_info=True,
            )
            return [spans_step(label, spans), *model_steps(model)]

        def on_console() -> None:
            # a session that has ended meanwhile has no further publication
            if self._open_labels.get(key) == label:
                self._console_sent[key] = len(tables.records)

        now_ms = time.time_ns() // 1_000_000
        pages = self._visuals.steps(label, tables, now_ms) if self._visuals is not None else ()
        publication = Publication(label, tables, spans, console, now_ms, model, pages, on_console)
        return publication.steps()

    def _name(self, key: SessionKey, name: str | None) -> str:
        given = name or key.name or self.settings.session_name or DEFAULT_SESSION
        return f"{given} (process {os.getpid()})" if self._in_child else given


def _status_at_exit() -> tuple[Status, str]:
    error = lifecycle.uncaught_exception()
    if error is None:
        return "completed", "closed by clearml-otel"
    return "failed", f"{type(error).__name__}: {str(error)[:500]}"
