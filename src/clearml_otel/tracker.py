"""A tracker: one ClearML task that collects runs, and the flushes that publish them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context

from clearml_otel import attributes as names
from clearml_otel.clearml.encoding import cell
from clearml_otel.clearml.transport import ModelUpload, Status
from clearml_otel.diagnostics import report
from clearml_otel.pipeline.console import tables_text
from clearml_otel.pipeline.destination import transport_for, transports_of_others
from clearml_otel.pipeline.live_log import LiveLog
from clearml_otel.pipeline.pipeline import Pipeline
from clearml_otel.records import build_tables
from clearml_otel.session_context import SESSION_CONTEXT_KEY
from clearml_otel.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Span


class Tracker:
    """Collects the spans of one ClearML task.

    Made by :func:`clearml_otel.configure` and by
    :class:`~clearml_otel.ClearMLCallbackHandler`; a span processor brings the spans.

    Args:
        settings: see :class:`~clearml_otel.settings.Settings`.
        timed: whether finished traces are published without a flush.
        counted: whether every span's start is told too.
    """

    def __init__(self, settings: Settings, *, timed: bool = False, counted: bool = False) -> None:
        self.id = uuid.uuid4().hex
        self._flushes = 0
        transport = transport_for(settings)
        self._pipeline = Pipeline(
            settings,
            transport,
            others=transports_of_others(settings),
            timed=timed,
            counted=counted,
        )
        self._live = LiveLog() if settings.stream_logs else None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._pipeline.settings

    @property
    def closed(self) -> bool:
        """Whether the task is finished and takes no more spans."""
        return self._pipeline.closed

    @property
    def task_id(self) -> str | None:
        """The ClearML task's id; None until something was published.

        With ``task_per``, that of the task for what names no session or service: see :attr:`tasks`.
        """
        return self._pipeline.transport.task_id

    @property
    def location(self) -> str:
        """The task's web page or the offline session's path; empty before the first publication.

        Of several tasks, the first one's.
        """
        opened = self._pipeline.tasks.opened().values()
        return next((each.location for each in opened if each.location), "")

    @property
    def tasks(self) -> Mapping[str, str]:
        """The ids of the ClearML tasks so far, by session or service; ``""`` is the main one's."""
        opened = self._pipeline.tasks.opened()
        return {name: each.task_id for name, each in opened.items() if each.task_id is not None}

    @contextmanager
    def session(self, name: str) -> Generator[None]:
        """Runs started inside belong to the session of that name.

        Args:
            name: the series of the session's tables; also ``session.id`` on the spans.
        """
        value = otel_context.set_value(SESSION_CONTEXT_KEY, _as_text(name))
        token = otel_context.attach(value)
        try:
            yield
        finally:
            otel_context.detach(token)

    def flush(
        self, name: str | None = None, langchain_asset: Any = None, finish: bool = False
    ) -> None:
        """Publish what was collected since the last flush; counting begins again.

        Waits for ClearML up to ``flush_timeout_s``; what is not accepted by then is tried again
        in the background and at the end of the program. Never raises.

        Args:
            name: the series of the tables and the name of the model; a name used before gets a
                number. By default each session keeps its own name.
            langchain_asset: a model, chain, agent or graph to keep as an output model.
            finish: complete the task; this tracker takes nothing more.
        """
        if self.closed:
            report(
                "tracker.closed",
                "flush after finish=True: the ClearML task is closed and nothing was published; "
                "make a new handler or tracker for further runs",
            )
            return
        # an application may use ids of a type of its own, and the spool keeps text
        name = None if name is None else _as_text(name)
        model = self._model(name, langchain_asset) if langchain_asset is not None else None
        self._follow(self._print_flush)
        self._pipeline.end_sessions(name, model)
        self.write()
        self._flushes += 1
        if not self._pipeline.wait(self.settings.flush_timeout_s):
            report(
                "tracker.flush",
                "the flush is not in ClearML yet; it is kept, and tried again in the background",
            )
        if finish:
            self.close("completed", "finished by the application")

    def close(
        self, status: Status | None = None, message: str = "", timeout_s: float | None = None
    ) -> None:
        """Publish what there is and end the task; harmless when repeated.

        Args:
            status: the task's; by default completed, or failed where an exception ends the program.
            message: the reason that ClearML shows.
            timeout_s: seconds that ClearML is waited for; ``shutdown_timeout_s`` by default.
        """
        self._follow(LiveLog.close)
        self._pipeline.close(status, message, timeout_s)

    # -- what span processors and handlers call -----------------------------------------------

    def span_started(self, span: ReadableSpan) -> None:
        """A span began; shown where the user follows the records live."""
        if self._live is not None:
            self._follow(lambda live: live.on_start(span))
        try:
            self._pipeline.started(span)
        except Exception as error:  # noqa: BLE001 - see _harmless
            _harmless("its trace is published later", error)

    def span_ended(self, span: ReadableSpan) -> None:
        """A span ended; kept for the next publication."""
        if self._live is not None:
            self._follow(lambda live: live.on_end(span))
        try:
            self._pipeline.add(span)
        except Exception as error:  # noqa: BLE001 - see _harmless
            _harmless("a span is not in the ClearML tables", error)

    def span_unsampled(self, span: ReadableSpan) -> None:
        """A span ended that the sampler does not keep, but whose start was told."""
        with _unharmed("its trace is published later"):
            self._pipeline.unsampled(span)

    def spans_lost(self, spans: int, reason: str) -> None:
        """Spans that were never given to us; the session's publication says so."""
        with _unharmed("lost spans are not counted"):
            self._pipeline.lose(spans, reason)

    def write(self) -> None:
        """Write down the spans so far: afterwards a killed process has not lost them."""
        with _unharmed("spans are kept in memory only"):
            self._pipeline.write()

    def publish(self, timeout_s: float) -> bool:
        """Publish the open sessions as they are and wait; a later publication replaces them."""
        self.write()
        self._pipeline.publish()
        return self._pipeline.wait(timeout_s)

    def wait(self, timeout_s: float) -> bool:
        """Wait for what was published already; False where something still waits."""
        return self._pipeline.wait(timeout_s)

    def name_task(self, span: Span) -> None:
        """Put the task's id on a span of our own instrumentation, once there is a task.

        At its start, for a span that has ended can't be written to any more. The first one that
        will be in the tables has the task made, in the background.
        """
        scope = span.instrumentation_scope
        if scope is not None and scope.name == names.SCOPE_NAME:
            with _unharmed("a span does not name its ClearML task"):
                if (task_id := self._only_task_id()) is not None:
                    span.set_attribute(names.TASK_ID, task_id)
                elif span.get_span_context().trace_flags.sampled:
                    self._pipeline.open_task()

    def start_attributes(self) -> Mapping[str, str]:
        """What a handler of this tracker puts on each span at its start."""
        return {names.TRACKER_ID: self.id}

    def point_noted(self) -> None:
        """A callback without duration was noted on an open span; shown where followed live."""
        self._follow(LiveLog.on_point)

    def end_attributes(self) -> Mapping[str, str]:
        """What a handler of this tracker puts on each span at its end."""
        ending = {names.TRACKER_SESSION: f"{self.id}:{self._flushes}"}
        if (task_id := self._only_task_id()) is not None:
            ending[names.TASK_ID] = task_id
        return ending

    def _only_task_id(self) -> str | None:
        """The task that every span goes to, where there is one task only."""
        return None if self._pipeline.tasks.several else self.task_id

    def _follow(self, step: Callable[[LiveLog], None]) -> None:
        """Show what happens, where the user follows the records live."""
        if self._live is not None and not self.closed:
            with _unharmed("what stream_logs prints is incomplete, the tables are not"):
                step(self._live)

    def _print_flush(self, live: LiveLog) -> None:
        live.flush()
        # the page prints both tables at each flush
        tables = build_tables(self._pipeline.buffered())
        print(tables_text(tables))  # noqa: T201 - asked for with stream_logs

    def _model(self, name: str | None, asset: object) -> ModelUpload | None:
        """The asset as an output model; one that cannot be written down is named in the log."""
        try:
            from clearml_otel.langchain.asset import AssetError, dump_asset
        except ModuleNotFoundError:
            report(
                "tracker.asset",
                "langchain_asset is not kept: langchain-core is not installed; "
                'pip install "clearml-otel[langchain]"',
            )
            return None
        try:
            file = dump_asset(asset)
        except AssetError as error:
            report(
                "tracker.asset",
                f"langchain_asset is not kept: {error}; the tables are published without it",
                level=logging.ERROR,
            )
            return None
        model = name or self.settings.task_name
        return ModelUpload(
            model, f"{model}.json", file.data, "LangChain", f"LangChain {file.class_name}"
        )


def _as_text(name: object) -> str:
    return str(cell(name))


@contextmanager
def _unharmed(consequence: str) -> Generator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see _harmless
        _harmless(consequence, error)


def _harmless(consequence: str, error: Exception) -> None:
    """The SDK calls span processors inside the application's own calls, unguarded.

    Telemetry never hurts the application, so whatever goes wrong ends here.
    """
    report(
        f"tracker.{type(error).__name__}",
        f"{consequence}: {type(error).__name__}: {str(error)[:200]}",
        level=logging.ERROR,
        exc_info=True,
    )
