"""The life of a run's span: start, points, end, error, abandonment.

Parents are set explicitly by run id and nothing attaches a context: LangChain's starts and ends
do not nest the way contexts do (a batch starts all its runs first), so an attached context would
swallow unrelated traces.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast
from uuid import UUID
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import get_value
from opentelemetry.trace import INVALID_SPAN, SpanKind, Status, StatusCode, TracerProvider

from clearml_otel import attributes as names
from clearml_otel.langchain.descriptions import is_control_flow, metadata_attributes, span_title
from clearml_otel.langchain.guard import collected
from clearml_otel.langchain.owner import Owner, session_attributes
from clearml_otel.langchain.runs import OpenRun, OpenRuns
from clearml_otel.langchain.sequence import next_seq, process_id
from clearml_otel.langchain.values import safe_str, to_text
from clearml_otel.version import __version__

Content: TypeAlias = "Mapping[str, Callable[[], str]]"
EndAttributes: TypeAlias = "Iterable[tuple[str, Any]]"

# not "suppress_language_model_instrumentation": OpenLLMetry's LangChain instrumentation sets that
# around each of its own model calls, to silence the clients below them
_SUPPRESS_KEYS: Final = ("suppress_instrumentation",)
_MOST_EVENTS: Final = 100
"""Events of one span; the SDK keeps the last 128 and forgets the first ones."""

_all: WeakSet[RunSpans] = WeakSet()


class RunSpans:
    """Makes and ends the spans of runs, from any thread.

    Args:
        tracer_provider: where the spans go; the global provider by default.
        capture_content: whether prompts, answers, inputs and outputs go on the spans.
        owner: the tracker that the spans belong to; None for app-wide instrumentation.
        on_closed: called for each run that starts after :meth:`close`.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        capture_content: bool,
        owner: Owner | None,
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self.provider = tracer_provider or trace.get_tracer_provider()
        self.capture_content = capture_content
        self._tracer = trace.get_tracer(names.SCOPE_NAME, __version__, self.provider)
        self._owner = owner
        self._on_closed = on_closed
        self._runs = OpenRuns(self._abandon)
        self._active = True
        _all.add(self)

    @property
    def active(self) -> bool:
        """False once closed."""
        return self._active

    def __len__(self) -> int:
        return len(self._runs)

    def after_fork(self) -> None:
        """In a forked child: the parent ends its runs."""
        self._runs.after_fork()

    def open_run(self, run_id: UUID | None) -> OpenRun | None:
        """The open run of that id."""
        return self._runs.get(run_id)

    def close(self) -> None:
        """Make no more spans and end the open ones as unfinished."""
        self._active = False
        self._runs.abandon_all()

    def start(
        self,
        run_type: str,
        name: str,
        kwargs: Mapping[str, Any],
        fixed: Mapping[str, Any],
        content: Content,
    ) -> None:
        """Start the span of a run.

        Args:
            run_type: ``llm``, ``chat_model``, ``chain``, ``tool`` or ``retriever``.
            name: the run's name.
            kwargs: the callback's keywords: ``run_id``, ``parent_run_id``, ``tags``, ``metadata``.
            fixed: attributes that hold no content.
            content: attributes that do, computed only where content is captured.
        """
        run_id: UUID = kwargs["run_id"]
        if not self._active:
            if self._on_closed is not None:
                self._on_closed()
            return
        if any(get_value(key) for key in _SUPPRESS_KEYS):
            self._runs.add(run_id, OpenRun(INVALID_SPAN, run_type, {}))
            return
        seq = next_seq()
        parent = self._parent(kwargs.get("parent_run_id"))
        metadata = cast("dict[str, Any]", kwargs.get("metadata") or {})
        session = session_attributes(metadata) or (parent.session if parent else {})
        attributes: dict[str, Any] = {
            names.RUN_ID: str(run_id),
            names.RUN_TYPE: run_type,
            names.RUN_NAME: name,
            names.PROCESS_ID: process_id(),
            names.START_SEQ: seq,
            **fixed,
            **session,
        }
        attributes.update(collected("start", self._common_attributes(kwargs, metadata)))
        if self.capture_content:
            attributes.update(collected("content", computed(content)))
        span = self._tracer.start_span(
            span_title(name, attributes),
            trace.set_span_in_context(parent.span) if parent else None,
            SpanKind.CLIENT if run_type in {"llm", "chat_model"} else SpanKind.INTERNAL,
            attributes=attributes,
        )
        self._runs.add(run_id, OpenRun(span, run_type, session))

    def _common_attributes(
        self, kwargs: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> Iterator[tuple[str, Any]]:
        if parent_id := kwargs.get("parent_run_id"):
            yield names.RUN_PARENT_ID, str(parent_id)
        if self._owner is not None:
            yield from self._owner.start_attributes().items()
        if tags := kwargs.get("tags"):
            yield names.TAGS, [to_text(tag) for tag in tags]
        yield from metadata_attributes(metadata)

    def end(
        self,
        run_id: UUID,
        run_type: str,
        kwargs: Mapping[str, Any],
        attributes: Callable[[OpenRun], EndAttributes],
    ) -> None:
        """End the span of a run; one whose start never came is made now.

        Args:
            run_id: the run's id.
            run_type: used where the start never came.
            kwargs: the callback's keywords, likewise.
            attributes: what the end says; computed after the end's time and number are taken.
        """
        run = self._runs.pop(run_id)
        if run is None:
            if not self._active:
                return
            run = self._unseen_start(run_id, run_type, kwargs)
        span = run.span
        seq, end_ns = next_seq(), time.time_ns()
        try:
            if span.is_recording():
                said = dict(collected(f"{run_type} end", attributes(run)))
                if run.tokens:
                    said[names.STREAM_TOKENS] = run.tokens
                if run.first_token_s is not None:
                    wait = run.first_token_s - run.started_s
                    said[names.RESPONSE_TIME_TO_FIRST_CHUNK] = wait
                self._close_out(run, seq, said)
        finally:
            span.end(end_ns)

    def fail(
        self, run_id: UUID, run_type: str, kwargs: Mapping[str, Any], error: BaseException
    ) -> None:
        """End the span of a run with an error, unless it is LangGraph's control flow."""

        def attributes(run: OpenRun) -> Iterator[tuple[str, Any]]:
            if is_control_flow(error):
                yield names.INTERRUPTED, True
                return
            message = safe_str(error)
            run.span.set_status(Status(StatusCode.ERROR, message[:1_000]))
            yield names.ERROR_TYPE, type(error).__qualname__
            yield names.ERROR_MESSAGE, message

        self.end(run_id, run_type, kwargs, attributes)

    def point(self, run_id: UUID, event: str, fields: Mapping[str, object]) -> None:
        """Note a callback without duration on its run's span."""
        run = self._runs.get(run_id)
        if run is None or not run.span.is_recording():
            return
        attributes: dict[str, Any] = {names.EVENT_SEQ: next_seq()}
        if self.capture_content:
            attributes |= {key: to_text(value) for key, value in fields.items()}
        run.points += 1
        if run.points <= _MOST_EVENTS:
            run.span.add_event(event, attributes)
        else:
            entry = {"name": event, "time_ns": time.time_ns(), "attributes": attributes}
            run.overflow.append(entry)
        if self._owner is not None:
            self._owner.point_noted()

    def _parent(self, parent_run_id: UUID | None) -> OpenRun | None:
        """The open run above, also where another handler on this provider was told of it."""
        if parent_run_id is None:
            return None
        run = self._runs.get(parent_run_id)
        if run is not None:
            return run
        others = (item for item in list(_all) if item.provider is self.provider)
        found = (item.open_run(parent_run_id) for item in others)
        return next((run for run in found if run is not None), None)

    def _unseen_start(self, run_id: UUID, run_type: str, kwargs: Mapping[str, Any]) -> OpenRun:
        """A span for a run whose start never came (langchain-ai/langchain#39633)."""
        fixed = {names.MISSING_START: True}
        self.start(run_type, "unknown", {**kwargs, "run_id": run_id}, fixed, {})
        return self._runs.pop(run_id) or OpenRun(INVALID_SPAN, run_type, {})

    def _close_out(self, run: OpenRun, seq: int, said: dict[str, Any]) -> None:
        said[names.END_SEQ] = seq
        if run.overflow:
            # its texts are bounded already, and none of its entries may go
            said[names.EVENTS_OVERFLOW] = json.dumps(run.overflow, ensure_ascii=False)
        if self._owner is not None:
            said.update(self._owner.end_attributes())
        run.span.set_attributes(said)

    def _abandon(self, run: OpenRun) -> None:
        """End the span of a run whose end is not coming any more."""
        if run.span.is_recording():
            self._close_out(run, next_seq(), {names.UNFINISHED: True})
        run.span.end()


def computed(content: Content) -> Iterator[tuple[str, str]]:
    """The content attributes, each computed when it is asked for."""
    for key, compute in content.items():
        yield key, compute()
