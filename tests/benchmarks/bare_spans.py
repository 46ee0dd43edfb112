"""The floor: a span a run with three attributes, and nothing else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, set_span_in_context


class BareSpanHandler(BaseCallbackHandler):
    """Makes spans of model, chain and tool runs.

    Args:
        processor: gets them when they end.
    """

    run_inline = True

    def __init__(self, processor: SpanProcessor) -> None:
        provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer(__name__)
        self._open: dict[UUID, Span] = {}

    def on_llm_start(self, serialized: Any, prompts: list[str], **kwargs: Any) -> None:
        self._start("llm", kwargs)

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self._start("chat_model", kwargs)

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._open.pop(run_id).end()

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self._start("chain", kwargs)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._open.pop(run_id).end()

    def on_tool_start(self, serialized: Any, input_str: str, **kwargs: Any) -> None:
        self._start("tool", kwargs)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._open.pop(run_id).end()

    def _start(self, run_type: str, kwargs: dict[str, Any]) -> None:
        run_id: UUID = kwargs["run_id"]
        name = str(kwargs.get("name"))
        parent = self._open.get(kwargs["parent_run_id"])
        self._open[run_id] = self._tracer.start_span(
            name,
            set_span_in_context(parent) if parent else None,
            attributes={"run.id": str(run_id), "run.type": run_type, "run.name": name},
        )


class Keeper(SpanProcessor):
    """Keeps finished spans in a list."""

    def __init__(self) -> None:
        self.kept: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.kept.append(span)


class Counter(SpanProcessor):
    """Counts finished spans and drops them: the least that a processor can do."""

    def __init__(self) -> None:
        self.count = 0

    def on_end(self, span: ReadableSpan) -> None:
        self.count += 1
