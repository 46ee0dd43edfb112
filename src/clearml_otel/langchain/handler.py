"""LangChain callbacks to OpenTelemetry spans.

A plain ``BaseCallbackHandler``: ``BaseTracer`` keeps every run's order for ever.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakSet

from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from opentelemetry._logs import LoggerProvider
from opentelemetry.trace import NoOpTracerProvider, TracerProvider

from clearml_otel import attributes as names
from clearml_otel.capture import capture_from
from clearml_otel.diagnostics import report
from clearml_otel.langchain.client_metrics import ClientMetrics
from clearml_otel.langchain.content import Content, Redact
from clearml_otel.langchain.descriptions import (
    agent_action_fields,
    agent_finish_fields,
    resume_value,
)
from clearml_otel.langchain.evaluation_events import EvaluationEvents
from clearml_otel.langchain.guard import guarded
from clearml_otel.langchain.inference_events import InferenceEvents
from clearml_otel.langchain.model_runs import ModelRuns
from clearml_otel.langchain.owner import Owner
from clearml_otel.langchain.plain_runs import PlainRuns
from clearml_otel.langchain.run_spans import RunSpans
from clearml_otel.langchain.scores import MAX_WORDS, Measure, Scorer
from clearml_otel.langchain.values import MAX_TEXT, safe_str

_handlers: WeakSet[LangChainSpanHandler] = WeakSet()
when_made: list[Callable[[LangChainSpanHandler], None]] = []
"""Told of each handler that is made."""


class LangChainSpanHandler(BaseCallbackHandler):
    """Makes one span for each run that it is told of.

    Args:
        tracer_provider: where the spans go; the global provider by default.
        measure: gives the readability metrics of one answer, or None to compute none.
        max_words: how long an answer is measured in its callback; longer ones later.
        evaluation_events: gets the metrics as GenAI evaluation events too.
        capture_content: where prompts, answers, inputs and outputs go: a mode of
            :mod:`~clearml_otel.capture` or a truth value; by default what
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` says, else on the spans.
        logger_provider: where content goes in modes with events; the global one by default.
        redact: applied to each text of these, with the name of the attribute that it goes to.
        max_content_length: characters of one text; longer ones are cut and say so.
        capture_media: keep the bytes of images, audio and files in messages.
        owner: the tracker that the spans belong to; None for app-wide instrumentation.
        on_closed: called for each run that starts after the handler was closed.
        metrics: is told what each run took; None to measure nothing.
    """

    run_inline = True  # keeps the order of callbacks and spares an executor hop a callback
    # LangChain asks for one of these at each callback, and its own are properties
    ignore_llm = False  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    ignore_chat_model = False  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    ignore_chain = False  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    ignore_agent = False  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]
    ignore_retriever = False  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        *,
        measure: Measure | None = None,
        max_words: int = MAX_WORDS,
        evaluation_events: EvaluationEvents | None = None,
        capture_content: bool | str | None = None,
        logger_provider: LoggerProvider | None = None,
        redact: Redact | None = None,
        max_content_length: int = MAX_TEXT,
        capture_media: bool = False,
        owner: Owner | None = None,
        on_closed: Callable[[], None] | None = None,
        metrics: ClientMetrics | None = None,
    ) -> None:
        capture = capture_from(capture_content, os.environ)
        content = Content(capture, redact, max_content_length)
        events = InferenceEvents(logger_provider) if capture.in_events else None
        self.spans = RunSpans(tracer_provider, content, owner, on_closed, metrics, events)
        self._open = self.spans.open_by_number
        scorer = Scorer(measure, max_words) if measure is not None else None
        if scorer is not None:
            scorer.warm_up()
        self.models = ModelRuns(content, scorer, evaluation_events, capture_media=capture_media)
        self.others = PlainRuns(content)
        self.id = uuid4().hex
        _handlers.add(self)
        for tell in tuple(when_made):
            tell(self)

    def after_fork(self) -> None:
        """In a forked child: what is open belongs to the parent."""
        self.spans.after_fork()
        self.models.batches.after_fork()

    def __copy__(self) -> LangChainSpanHandler:
        """Copies of a model share its handler: their runs belong together."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> LangChainSpanHandler:
        """Likewise; locks and open spans could not be copied anyway."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled models keep their handler too, in this process; elsewhere it records nothing."""
        return _unpickled, (self.id,)

    # -- models ---------------------------------------------------------------------------
    # the starts and ends of runs need no guard: RunSpans.start and RunSpans.end never raise

    def on_llm_start(
        self, serialized: dict[str, Any] | None, prompts: list[str], **kwargs: Any
    ) -> None:
        """Start the span of a completion call's prompt."""
        self.spans.start("llm", serialized, kwargs, self.models.describe_request, prompts)

    def on_chat_model_start(
        self, serialized: dict[str, Any] | None, messages: list[list[BaseMessage]], **kwargs: Any
    ) -> None:
        """Start the span of a chat call."""
        self.spans.start("chat_model", serialized, kwargs, self.models.describe_request, messages)

    def on_llm_new_token(
        self,
        token: Any,
        *,
        run_id: UUID,
        chunk: Any = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Count a streamed token; the first one's time is kept."""
        # nothing here can raise, and a guard would double what it costs a token
        run = self._open.get(run_id.int)
        if run is not None:
            run.tokens += 1
            if run.first_token_s is None:
                run.first_token_s = time.monotonic()

    @guarded
    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a streamed piece of an answer; of ``stream_events(version="v3")``."""
        run = self.spans.open_run(run_id)
        if run is not None and event.get("event") == "content-block-delta":
            run.events += 1
            if run.first_token_s is None:
                run.first_token_s = time.monotonic()

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """End a model's span with its answers, usage and readability."""
        self.spans.end(run_id, "llm", kwargs, self.models.describe_response, response)

    @guarded
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End a model's span with an error, and with what it had streamed of its answer."""
        part, describe = kwargs.get("response"), self.models.describe_part
        self.spans.fail(run_id, "llm", kwargs, error, describe, part)

    # -- chains ---------------------------------------------------------------------------

    def on_chain_start(self, serialized: dict[str, Any] | None, inputs: Any, **kwargs: Any) -> None:
        """Start a chain's span."""
        self.spans.start("chain", serialized, kwargs, self.others.describe_chain, inputs)
        if type(inputs).__name__ == "Command":
            self._note_resume(inputs, kwargs)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End a chain's span with its answer."""
        inputs, describe = kwargs.get("inputs"), self.others.describe_chain_end
        self.spans.end(run_id, "chain", kwargs, describe, outputs, inputs)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End a chain's span with an error."""
        inputs, describe = kwargs.get("inputs"), self.others.describe_chain_end
        self.spans.fail(run_id, "chain", kwargs, error, describe, None, inputs)

    @guarded
    def _note_resume(self, inputs: object, kwargs: Mapping[str, Any]) -> None:
        answer = resume_value(inputs)
        if answer is not None:
            fields = {names.EVENT_RESUME_VALUE: answer}
            self.spans.point(kwargs["run_id"], names.EVENT_RESUME, fields)

    # -- tools and retrievers -------------------------------------------------------------

    def on_tool_start(
        self, serialized: dict[str, Any] | None, input_str: str, **kwargs: Any
    ) -> None:
        """Start a tool's span."""
        self.spans.start("tool", serialized, kwargs, self.others.describe_tool, input_str)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End a tool's span with its output."""
        self.spans.end(run_id, "tool", kwargs, self.others.describe_tool_end, output)

    @guarded
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End a tool's span with an error."""
        self.spans.fail(run_id, "tool", kwargs, error)

    def on_retriever_start(
        self, serialized: dict[str, Any] | None, query: str, **kwargs: Any
    ) -> None:
        """Start a retriever's span."""
        self.spans.start("retriever", serialized, kwargs, self.others.describe_retriever, query)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End a retriever's span with its documents."""
        describe = self.others.describe_retriever_end
        self.spans.end(run_id, "retriever", kwargs, describe, documents)

    @guarded
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End a retriever's span with an error."""
        self.spans.fail(run_id, "retriever", kwargs, error)

    # -- callbacks without duration ---------------------------------------------------------

    @guarded
    def on_text(self, text: str, *, run_id: UUID, **kwargs: Any) -> None:
        """Note a text that a chain shows."""
        self.spans.point(run_id, names.EVENT_TEXT, {names.EVENT_TEXT_VALUE: text})

    @guarded
    def on_agent_action(self, action: AgentAction, *, run_id: UUID, **kwargs: Any) -> None:
        """Note what an agent decided to do."""
        self.spans.point(run_id, names.EVENT_AGENT_ACTION, agent_action_fields(action))

    @guarded
    def on_agent_finish(self, finish: AgentFinish, *, run_id: UUID, **kwargs: Any) -> None:
        """Note an agent's final answer."""
        self.spans.point(run_id, names.EVENT_AGENT_FINISH, agent_finish_fields(finish))

    @guarded
    def on_retry(self, retry_state: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that a call is tried again."""
        outcome = getattr(retry_state, "outcome", None)
        error = outcome.exception() if outcome is not None and outcome.failed else None
        attempt = str(getattr(retry_state, "attempt_number", ""))
        fields = {names.EVENT_RETRY_ATTEMPT: attempt}
        if error is not None:
            fields[names.EVENT_RETRY_ERROR] = f"{type(error).__name__}: {safe_str(error)}"
        self.spans.point(run_id, names.EVENT_RETRY, fields)

    @guarded
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note an event of the application's own."""
        fields = {names.EVENT_CUSTOM_NAME: name, names.EVENT_CUSTOM_DATA: data}
        self.spans.point(run_id, names.EVENT_CUSTOM, fields)

    def on_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """LangGraph's pause; the error that ends the node's run says what for."""

    def on_resume(self, *args: Any, **kwargs: Any) -> None:
        """LangGraph's resumption; the input of the graph's run says with what."""


def active_handlers() -> list[LangChainSpanHandler]:
    """The handlers of the process that make spans."""
    return [handler for handler in list(_handlers) if handler.spans.active]


def _unpickled(handler_id: str) -> LangChainSpanHandler:
    for handler in list(_handlers):
        if handler.id == handler_id:
            return handler
    report(
        "handler.unpickled",
        "a callback handler was unpickled in another process than its own and records nothing "
        "there; make a handler in each process",
    )
    handler = LangChainSpanHandler(NoOpTracerProvider())
    handler.spans.close()
    return handler


def _after_fork() -> None:
    for handler in list(_handlers):
        handler.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
