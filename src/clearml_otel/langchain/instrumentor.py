"""Adds the span handler to every LangChain run of the process, and its span to its context."""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from functools import cache, wraps
from itertools import repeat
from typing import Any, Final, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.tracers.context import register_configure_hook
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from clearml_otel.langchain.client_metrics import ClientMetrics
from clearml_otel.langchain.evaluation_events import EvaluationEvents
from clearml_otel.langchain.execution_seams import Change, ExecutionSeams
from clearml_otel.langchain.handler import LangChainSpanHandler, active_handlers, when_made
from clearml_otel.langchain.options import InstrumentationOptions
from clearml_otel.langchain.seam_wrappers import Function, unbound
from clearml_otel.readability import Measurer


class LangChainInstrumentor(BaseInstrumentor):
    """OpenTelemetry instrumentation of LangChain: one span a run.

    What a run's code does happens inside of its span: HTTP, database and the application's own
    spans become its children, also in LangGraph's nodes, threads, tasks and streams.

    ``instrument()`` takes the keywords of
    :class:`~clearml_otel.langchain.options.InstrumentationOptions`; ``uninstrument()`` removes
    this layer only and ends open spans.
    """

    # of the class: the base class makes one instance only, but runs __init__ on each call
    _layer: _Layer | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of LangChain that this works with."""
        return ("langchain-core >= 0.3",)

    def _instrument(self, **kwargs: Any) -> None:
        options = InstrumentationOptions.from_keywords(kwargs)
        measured, events = options.complexity_metrics, options.evaluation_events
        handler = LangChainSpanHandler(
            options.tracer_provider,
            measure=Measurer(options.readability) if measured else None,
            max_words=options.readability_max_words,
            evaluation_events=EvaluationEvents(options.logger_provider) if events else None,
            capture_content=options.capture_content,
            logger_provider=options.logger_provider,
            redact=options.redact,
            max_content_length=options.max_content_length,
            capture_media=options.capture_media,
            metrics=ClientMetrics(options.meter_provider),
        )
        LangChainInstrumentor._layer = _Layer(handler)

    def _uninstrument(self, **kwargs: Any) -> None:
        if self._layer is not None:
            self._layer.remove()
            LangChainInstrumentor._layer = None


class _Layer:
    """What one ``instrument()`` puts on LangChain's callback managers and seams."""

    def __init__(self, handler: LangChainSpanHandler) -> None:
        self._handler = handler
        self._seams = ExecutionSeams(handler.spans)
        # whether there is a handler to give way to; where there is none, looking costs every run
        self._others = any(other is not handler for other in active_handlers())
        when_made.append(self._another)
        self._change = Change.made(BaseCallbackManager, "add_handler", self._giving_way)
        self._seams.install()
        _hook.set(handler)
        _register_hook()

    def remove(self) -> None:
        """Stop making spans, also in managers that were made before; end the open ones."""
        _hook.set(None)
        when_made.remove(self._another)
        self._handler.spans.close()
        self._seams.remove()
        self._change.undo()

    def _another(self, _: LangChainSpanHandler) -> None:
        self._others = True

    def _giving_way(self, function: Function) -> Function:
        """For ``add_handler``: a handler passed by hand takes the run over."""
        ours, add = self._handler, unbound(function)

        @wraps(function)
        def add_handler(manager: Any, handler: Any, *args: Any, **kwargs: Any) -> None:
            if handler is ours:
                handlers = manager.handlers
                if ours in handlers or not ours.spans.active:
                    return
                if not (self._others and any(map(_is_active, handlers))):
                    # new lists: the managers of runs that go on may share the old ones
                    manager.handlers = [*handlers, ours]
                    manager.inheritable_handlers = [*manager.inheritable_handlers, ours]
                return
            if _is_active(handler):
                manager.handlers = [each for each in manager.handlers if each is not ours]
                manager.inheritable_handlers = [
                    each for each in manager.inheritable_handlers if each is not ours
                ]
            add(manager, handler, *args, **kwargs)

        return add_handler


class _ConfigureHook:
    """Stands in for the ``ContextVar`` of a LangChain configure hook.

    LangChain asks it for a handler once a run, whenever the run's callbacks are put together. That
    costs an eighth of a wrapper around the managers' constructor, of which there are a dozen a run.
    """

    def __init__(self) -> None:
        self.set(None)

    def set(self, handler: LangChainSpanHandler | None) -> None:
        """Give this handler from now on; None while the instrumentation is off."""
        # LangChain asks twice a run, and this costs half of what a method of ours would
        self.get = repeat(handler).__next__


_hook: Final = _ConfigureHook()


@cache
def _register_hook() -> None:
    """Once a process: LangChain has no way to take a hook away again."""
    register_configure_hook(cast("ContextVar[Any]", _hook), inheritable=True)


def _is_active(handler: object) -> bool:
    return isinstance(handler, LangChainSpanHandler) and handler.spans.active
