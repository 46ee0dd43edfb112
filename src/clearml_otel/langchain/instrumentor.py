"""Adds the span handler to every LangChain run of the process, and its span to its context."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from langchain_core.callbacks import BaseCallbackManager
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from wrapt import FunctionWrapper

from clearml_otel.langchain.evaluation_events import EvaluationEvents
from clearml_otel.langchain.execution_seams import ExecutionSeams
from clearml_otel.langchain.handler import LangChainSpanHandler
from clearml_otel.langchain.scores import MAX_WORDS
from clearml_otel.readability import ENGINE, Measurer


class LangChainInstrumentor(BaseInstrumentor):
    """OpenTelemetry instrumentation of LangChain: one span a run.

    ``instrument()`` takes ``tracer_provider`` (the global one by default), ``complexity_metrics``
    (readability of every answer, True by default) with ``readability`` (the engine) and
    ``readability_max_words``, ``evaluation_events`` (off) with ``logger_provider``, and
    ``capture_content`` (prompts and answers on the spans, True by default); ``uninstrument()``
    removes this layer only and ends open spans.
    """

    # of the class: the base class makes one instance only, but runs __init__ on each call
    _layer: _Layer | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of LangChain that this works with."""
        return ("langchain-core >= 0.3",)

    def _instrument(self, **kwargs: Any) -> None:
        measured = kwargs.get("complexity_metrics", True)
        events = kwargs.get("evaluation_events", False)
        handler = LangChainSpanHandler(
            kwargs.get("tracer_provider"),
            measure=Measurer(kwargs.get("readability", ENGINE)) if measured else None,
            max_words=kwargs.get("readability_max_words", MAX_WORDS),
            evaluation_events=EvaluationEvents(kwargs.get("logger_provider")) if events else None,
            capture_content=kwargs.get("capture_content", True) is not False,
        )
        LangChainInstrumentor._layer = _Layer(handler)

    def _uninstrument(self, **kwargs: Any) -> None:
        if self._layer is not None:
            self._layer.remove()
            LangChainInstrumentor._layer = None


class _Layer:
    """What one ``instrument()`` puts on LangChain's callback managers."""

    def __init__(self, handler: LangChainSpanHandler) -> None:
        self._handler = handler
        self._seams = ExecutionSeams(handler.spans)
        self._wrappers = {
            "__init__": FunctionWrapper(BaseCallbackManager.__init__, self._after_init),
            "add_handler": FunctionWrapper(BaseCallbackManager.add_handler, self._add_handler),
        }
        for name, wrapper in self._wrappers.items():
            setattr(BaseCallbackManager, name, wrapper)
        self._seams.install()

    def remove(self) -> None:
        """Stop making spans, also in managers that were made before; end the open ones.

        Where somebody else has wrapped a method after us, our wrapper stays below theirs and does
        nothing any more: taking it out would take theirs out too.
        """
        self._handler.spans.close()
        self._seams.remove()
        for name, wrapper in self._wrappers.items():
            if vars(BaseCallbackManager).get(name) is wrapper:
                setattr(BaseCallbackManager, name, wrapper.__wrapped__)

    def _after_init(
        self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any
    ) -> None:
        wrapped(*args, **kwargs)
        if self._handler.spans.active and not _has_active(instance):
            instance.add_handler(self._handler, True)

    def _add_handler(
        self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any
    ) -> None:
        added = args[0] if args else kwargs.get("handler")
        if added is not self._handler and _is_active(added):
            # a handler passed by hand takes this run over, so that it makes one span
            instance.remove_handler(self._handler)
        wrapped(*args, **kwargs)


def _is_active(handler: object) -> bool:
    return isinstance(handler, LangChainSpanHandler) and handler.spans.active


def _has_active(manager: Any) -> bool:
    return any(_is_active(item) for item in manager.handlers)
