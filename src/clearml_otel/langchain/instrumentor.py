"""Adds the span handler to every LangChain run of the process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.instrumentation.utils import unwrap
from wrapt import wrap_function_wrapper

from clearml_otel.langchain.handler import LangChainSpanHandler

_MODULE = "langchain_core.callbacks.base"
_METHODS = ("BaseCallbackManager.__init__", "BaseCallbackManager.add_handler")


class LangChainInstrumentor(BaseInstrumentor):
    """OpenTelemetry instrumentation of LangChain: one span a run.

    ``instrument()`` takes ``tracer_provider`` (the global one by default), ``complexity_metrics``
    (readability of every answer, True by default) and ``capture_content`` (prompts and answers on
    the spans, True by default); ``uninstrument()`` removes this layer only and ends open spans.
    """

    def __init__(self) -> None:
        super().__init__()
        self._handler: LangChainSpanHandler | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of LangChain that this works with."""
        return ("langchain-core >= 0.3",)

    def _instrument(self, **kwargs: Any) -> None:
        measure = None
        if kwargs.get("complexity_metrics", True):
            from clearml_otel.readability import measure
        handler = LangChainSpanHandler(
            kwargs.get("tracer_provider"),
            measure=measure,
            capture_content=kwargs.get("capture_content", True) is not False,
        )

        def after_init(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> None:
            wrapped(*args, **kwargs)
            if handler.spans.active and not _has_ours(instance):
                instance.add_handler(handler, True)

        def add_handler(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> None:
            added = args[0] if args else kwargs.get("handler")
            if isinstance(added, LangChainSpanHandler) and added is not handler:
                # a handler passed by hand takes this run over, so that it makes one span
                instance.remove_handler(handler)
            elif added is handler and _has_ours(instance):
                return
            wrapped(*args, **kwargs)

        wrap_function_wrapper(_MODULE, _METHODS[0], after_init)
        wrap_function_wrapper(_MODULE, _METHODS[1], add_handler)
        self._handler = handler

    def _uninstrument(self, **kwargs: Any) -> None:
        from langchain_core.callbacks import BaseCallbackManager

        for method in _METHODS:
            unwrap(BaseCallbackManager, method.rpartition(".")[2])
        if self._handler is not None:
            self._handler.spans.close()
            self._handler = None


def _has_ours(manager: Any) -> bool:
    return any(isinstance(item, LangChainSpanHandler) for item in manager.handlers)
