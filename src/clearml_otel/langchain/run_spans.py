"""The life of a run's span: start, points, end, error, abandonment.

Parents are set explicitly by run id and nothing here attaches a context: LangChain's starts and
ends do not nest the way contexts do (a batch starts all its runs first), so an attached context
would swallow unrelated traces. Where it is attached instead: run_context.py.
"""

from __future__ import annotations

import atexit
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Status, StatusCode, TracerProvider

from clearml_otel import attributes as names
from clearml_otel.diagnostics import report
from clearml_otel.langchain.any_runs import (
    describe_end,
    describe_missing_start,
    describe_start,
    put_on,
)
from clearml_otel.langchain.client_metrics import ClientMetrics
from clearml_otel.langchain.content import Content
from clearml_otel.langchain.descriptions import (
    error_message,
    error_type,
    interrupt_values,
    is_control_flow,
    run_name,
    span_title,
    uuid_text,
)
from clearml_otel.langchain.guard import guarded, report_error
from clearml_otel.langchain.inference_context import hand_over, usage_owner
from clearml_otel.langchain.inference_events import InferenceEvents
from clearml_otel.langchain.operations import SPAN_KINDS
from clearml_otel.langchain.owner import Owner
from clearml_otel.langchain.run_context import below, current_context
from clearml_otel.langchain.runs import OpenRun, OpenRuns
from clearml_otel.langchain.sequence import next_seq, position
from clearml_otel.langchain.values import to_text
from clearml_otel.version import __version__

Attributes: TypeAlias = "dict[str, Any]"
DescribeStart: TypeAlias = "Callable[[Attributes, str, Any, Mapping[str, Any], Any], None]"
"""Adds to the attributes what a start says: of the run's name and the callback's arguments."""
DescribeEnd: TypeAlias = "Callable[..., None]"
"""Likewise of an end: of the run, the attributes and what the callback was told."""

# not "suppress_language_model_instrumentation": Traceloop's instrumentation of LangChain sets it
# at the start of each model's run, to keep its own instrumentations of providers quiet
_SUPPRESS_KEY: Final = "suppress_instrumentation"
_MODELS: Final = frozenset({"llm", "chat_model"})
_NOTHING: Final[Mapping[str, str]] = {}
_MOST_ENDED: Final = 1_000
_MOST_EVENTS: Final = 100
"""Events of one span; the SDK keeps the last 128 and forgets the first ones."""
# of a point's fields, those that say what kind it is; they are kept where content is not
_NO_CONTENT: Final = frozenset(
    {names.EVENT_TOOL, names.EVENT_CUSTOM_NAME, names.EVENT_RETRY_ATTEMPT}
)

_all: WeakSet[RunSpans] = WeakSet()


class RunSpans:
    """Makes and ends the spans of runs, from any thread.

    Args:
        tracer_provider: where the spans go; the global provider by default.
        content: what of the runs' content goes on them.
        owner: the tracker that the spans belong to; None for app-wide instrumentation.
        on_closed: called for each run that starts after :meth:`close`.
        metrics: is told what each run took, also of runs that are sampled out.
        events: gets the details of each model call.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        content: Content,
        owner: Owner | None,
        on_closed: Callable[[], None] | None = None,
        metrics: ClientMetrics | None = None,
        events: InferenceEvents | None = None,
    ) -> None:
        self.provider = tracer_provider or trace.get_tracer_provider()
        self.content = content
        self._tracer = trace.get_tracer(names.SCOPE_NAME, __version__, self.provider)
        self._owner = owner
        self._on_closed = on_closed
        self._metrics = metrics
        self._events = events
        self._runs = OpenRuns(self._put_out)
        self.open_run = self._runs.get
        self.open_by_number: Final = self._runs.by_number
        # of pauses, which every run above tells again
        self._noted_pauses: WeakSet[BaseException] = WeakSet()
        # the last ones: LangChain sends a second end of some runs that are cancelled
        self._ended: deque[int] = deque(maxlen=_MOST_ENDED)
        self._active = True
        self._process_ends = False
        _all.add(self)
        _end_open_runs_at_exit()

    @property
    def active(self) -> bool:
        """False once closed."""
        return self._active

    def __len__(self) -> int:
        return len(self._runs)

    def after_fork(self) -> None:
        """In a forked child: the parent ends its runs."""
        self._runs.after_fork()

    def close(self) -> None:
        """Make no more spans and end the open ones as unfinished."""
        self._active = False
        for run in self._runs.take_all():
            self._abandon(run)

    def end_open_runs(self) -> None:
        """End what is open at the end of the process, such as runs of daemon threads."""
        self._process_ends = True
        for run in self._runs.take_all():
            self._abandon(run)

    def start(
        self,
        run_type: str,
        serialized: dict[str, Any] | None,
        kwargs: Mapping[str, Any],
        describe: DescribeStart,
        asked: object,
    ) -> None:
        """Start the span of a run; never raises.

        Args:
            run_type: ``llm``, ``chat_model``, ``chain``, ``tool`` or ``retriever``.
            serialized: the callback's first argument.
            kwargs: its keywords: ``run_id``, ``parent_run_id``, ``tags``, ``metadata``.
            describe: adds to the attributes what is known of a run of its type.
            asked: the callback's second argument, for ``describe``.
        """
        try:
            run_id: UUID = kwargs["run_id"]
            current = current_context()
            if not self._active or current.get(_SUPPRESS_KEY):
                self._pass_over(run_type, run_id)
                return
            parent = self._parent(kwargs.get("parent_run_id"))
            number, name, session = next_seq(), "unknown", _NOTHING
            attributes: Attributes = {names.RUN_ID: uuid_text(run_id), names.RUN_TYPE: run_type}
            attributes[names.POSITION] = position(number)
            try:
                name = run_name(serialized, kwargs)
                if self._owner is not None:
                    attributes.update(self._owner.start_attributes())
                session = describe_start(attributes, kwargs, parent, current, self.content)
                describe(attributes, name, serialized, kwargs, asked)
            except Exception as error:  # noqa: BLE001 - one bad field never costs the span
                report_error(f"{run_type} start", error)
            aside = _NOTHING if self._events is None else self.content.set_aside(attributes)
            title = span_title(name, attributes)
            if title != name and attributes.get(names.TOOL_NAME) != name:
                attributes[names.RUN_NAME] = name
            above = current if parent is None else below(parent, current)
            span = self._tracer.start_span(title, above, SPAN_KINDS[run_type], attributes)
            run = OpenRun(span, run_type, session, time.monotonic(), number, attributes, aside)
            if run_type in _MODELS:
                run.usage_owner = usage_owner(current)
            self._runs.add(run_id, run)
        except Exception as error:  # noqa: BLE001 - telemetry never hurts the application
            report_error(f"{run_type} start", error)

    def _pass_over(self, run_type: str, run_id: UUID) -> None:
        """Make no span of a run that starts after the end of us, or where others want none."""
        if self._active:
            self._runs.add(run_id, OpenRun(INVALID_SPAN, run_type, {}))
        elif self._on_closed is not None:
            self._on_closed()

    def end(
        self,
        run_id: UUID,
        run_type: str,
        kwargs: Mapping[str, Any],
        describe: DescribeEnd,
        *told: object,
    ) -> None:
        """End the span of a run; one whose start never came is made now. Never raises.

        Args:
            run_id: the run's id.
            run_type: used where the start never came.
            kwargs: the callback's keywords, likewise.
            describe: adds what the end says; called after the end's time and number are taken.
            told: what the callback was, for ``describe``.
        """
        try:
            run = self._runs.pop(run_id) or self._unseen_start(run_id, run_type, kwargs)
            if run is None:
                return
            self._ended.append(run_id.int)
            end_ns, number = time.time_ns(), next_seq()
            # that of the next callback goes without saying
            said: Attributes = {} if number == run.number + 1 else {names.END_SEQ: number}
            try:
                self._tell_end(run, said, describe, told)
            finally:
                run.span.end(end_ns)
        except Exception as error:  # noqa: BLE001 - telemetry never hurts the application
            report_error(f"{run_type} end", error)

    def _tell_end(
        self, run: OpenRun, said: Attributes, describe: DescribeEnd, told: tuple[object, ...]
    ) -> None:
        metrics, end_s = self._metrics, 0.0
        if metrics is not None:
            if metrics.enabled:
                end_s = time.monotonic()
            else:
                metrics = None
        recorded = run.span.is_recording()
        if recorded or (metrics is not None and run.request):
            try:
                describe(run, said, *told)
            except Exception as error:  # noqa: BLE001 - one bad field never costs the span
                report_error(f"{run.run_type} end", error)
            if self._events is not None:
                self._tell_events(self._events, run, said)
        if run.usage_owner is not None:
            said = hand_over(said, run.usage_owner)
        if metrics is not None:
            first_s = run.first_token_s
            wait_s = None if first_s is None else first_s - run.started_s
            context = trace.set_span_in_context(run.span)
            metrics.record(run.request, said, end_s - run.started_s, wait_s, context)
        if recorded:
            self._close_out(run, said)

    def _tell_events(self, events: InferenceEvents, run: OpenRun, said: Attributes) -> None:
        aside = self.content.set_aside(said)
        if run.run_type in _MODELS and run.request:
            events.emit(run.span, run.request, said, {**run.aside, **aside})

    def give_up(self, run_id: UUID, error: BaseException) -> None:
        """End the run, if it is open, with an error; a callback that comes yet is ignored."""
        run = self._runs.get(run_id)
        if run is not None:
            self.fail(run_id, run.run_type, {}, error)

    def fail(
        self,
        run_id: UUID,
        run_type: str,
        kwargs: Mapping[str, Any],
        error: BaseException,
        describe_rest: DescribeEnd | None = None,
        *told: object,
    ) -> None:
        """End the span of a run with an error, unless it is LangGraph's control flow.

        Args:
            run_id: the run's id.
            run_type: used where the start never came.
            kwargs: the callback's keywords, likewise.
            error: what was raised.
            describe_rest: adds what was known before the error; see :meth:`end`.
            told: what the callback was, for ``describe_rest``.
        """
        paused = is_control_flow(error)

        def describe(run: OpenRun, said: Attributes) -> None:
            if paused:
                said[names.INTERRUPTED] = True
            else:
                said[names.ERROR_TYPE] = error_type(error)
                self.content.put(said, names.ERROR_MESSAGE, error_message, error)
                message = said.get(names.ERROR_MESSAGE, "")
                run.span.set_status(Status(StatusCode.ERROR, message[:1_000]))
            if describe_rest is not None:
                describe_rest(run, said, *told)

        if paused:
            self._note_pause(run_id, error)
        self.end(run_id, run_type, kwargs, describe)

    def point(self, run_id: UUID, event: str, fields: Mapping[str, object]) -> None:
        """Note a callback without duration on its run's span."""
        run = self._runs.get(run_id)
        if run is None or not run.span.is_recording():
            return
        attributes: Attributes = {names.EVENT_SEQ: next_seq()}
        for key, value in fields.items():
            if key in _NO_CONTENT:
                attributes[key] = to_text(value)
            else:
                self.content.put(attributes, key, to_text, value)
        run.points += 1
        if run.points <= _MOST_EVENTS:
            run.span.add_event(event, attributes)
        else:
            entry = {"name": event, "time_ns": time.time_ns(), "attributes": attributes}
            run.overflow.append(entry)
        if self._owner is not None:
            self._owner.point_noted()

    def _note_pause(self, run_id: UUID, pause: BaseException) -> None:
        if pause in self._noted_pauses:
            return
        self._noted_pauses.add(pause)
        for value in interrupt_values(pause):
            self.point(run_id, names.EVENT_INTERRUPT, {names.EVENT_INTERRUPT_VALUE: value})

    def _parent(self, parent_run_id: UUID | None) -> OpenRun | None:
        """The open run above, also where another handler on this provider was told of it."""
        if parent_run_id is None:
            return None
        run = self.open_by_number.get(parent_run_id.int)
        if run is not None:
            return run
        others = (item for item in list(_all) if item.provider is self.provider)
        found = (item.open_run(parent_run_id) for item in others)
        return next((run for run in found if run is not None), None)

    def _unseen_start(
        self, run_id: UUID, run_type: str, kwargs: Mapping[str, Any]
    ) -> OpenRun | None:
        """A span for a run whose start never came (langchain-ai/langchain#39633).

        None where there was a start: its end came before, or ours did.
        """
        if not self._active or self._process_ends or run_id.int in self._ended:
            return None
        known = {**kwargs, "run_id": run_id, "name": "unknown"}
        self.start(run_type, None, known, describe_missing_start, None)
        return self._runs.pop(run_id) or OpenRun(INVALID_SPAN, run_type, {})

    def _close_out(self, run: OpenRun, said: Attributes) -> None:
        describe_end(run, said)
        if self._owner is not None:
            said.update(self._owner.end_attributes())
        put_on(run.span, said)

    def _put_out(self, run: OpenRun) -> None:
        """End the span of a run for which there is no room any more."""
        report(
            "runs.put_out",
            "too many LangChain runs are open, or one for longer than a day: the oldest are ended "
            "as unfinished. Their end callbacks never came: look for streams that are neither read "
            "to their end nor closed, and for calls that hang",
        )
        self._abandon(run)

    def _abandon(self, run: OpenRun) -> None:
        """End the span of a run whose end is not coming any more."""
        if run.span.is_recording():
            self._close_out(run, {names.END_SEQ: next_seq(), names.UNFINISHED: True})
        run.span.end()


def find_open_run(run_id: UUID) -> OpenRun | None:
    """The open run of that id, whichever handler was told of it."""
    found = (spans.open_run(run_id) for spans in list(_all))
    return next((run for run in found if run is not None), None)


@guarded
def give_up(run_id: UUID, error: BaseException) -> None:
    """End the run wherever it is open: it was cancelled, and LangChain does not say so."""
    for spans in list(_all):
        spans.give_up(run_id, error)


def _end_open_runs() -> None:
    for spans in list(_all):
        spans.end_open_runs()


def _end_open_runs_at_exit() -> None:
    """Before the provider's own exit handler, which is older than the spans made with it."""
    atexit.unregister(_end_open_runs)
    atexit.register(_end_open_runs)
