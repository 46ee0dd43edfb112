"""LangChain callbacks to OpenTelemetry spans.

A plain ``BaseCallbackHandler``: ``BaseTracer`` keeps every run's order for ever.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import UUID
from weakref import WeakSet

from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from opentelemetry.trace import TracerProvider

from clearml_otel import attributes as names
from clearml_otel.langchain import inputs as io
from clearml_otel.langchain import models, tool_results
from clearml_otel.langchain.batches import BatchTracker
from clearml_otel.langchain.descriptions import agent_action_fields, agent_finish_fields, run_name
from clearml_otel.langchain.documents import retrieval_results
from clearml_otel.langchain.evaluation_events import EvaluationEvents
from clearml_otel.langchain.guard import collected, guarded
from clearml_otel.langchain.messages import input_messages, prompt_message
from clearml_otel.langchain.owner import Owner
from clearml_otel.langchain.run_spans import RunSpans, computed
from clearml_otel.langchain.runs import OpenRun
from clearml_otel.langchain.scores import MAX_WORDS, Measure, Scorer
from clearml_otel.langchain.values import plain_json, safe_str, to_json, to_text

_handlers: WeakSet[LangChainSpanHandler] = WeakSet()


class LangChainSpanHandler(BaseCallbackHandler):
    """Makes one span for each run that it is told of.

    Args:
        tracer_provider: where the spans go; the global provider by default.
        measure: gives the readability metrics of one answer, or None to compute none.
        max_words: how long an answer is measured in its callback; longer ones later.
        evaluation_events: gets the metrics as GenAI evaluation events too.
        capture_content: whether prompts, answers, inputs and outputs go on the spans.
        owner: the tracker that the spans belong to; None for app-wide instrumentation.
        on_closed: called for each run that starts after the handler was closed.
    """

    run_inline = True  # keeps the order of callbacks and spares an executor hop a callback

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        *,
        measure: Measure | None = None,
        max_words: int = MAX_WORDS,
        evaluation_events: EvaluationEvents | None = None,
        capture_content: bool = True,
        owner: Owner | None = None,
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self.spans = RunSpans(tracer_provider, capture_content, owner, on_closed)
        self._scorer = Scorer(measure, max_words) if measure is not None else None
        self._evaluation_events = evaluation_events
        if self._scorer is not None:
            self._scorer.warm_up()
        self._batches = BatchTracker()
        _handlers.add(self)

    def after_fork(self) -> None:
        """In a forked child: what is open belongs to the parent."""
        self.spans.after_fork()
        self._batches.after_fork()

    def __copy__(self) -> LangChainSpanHandler:
        """Copies of a model share its handler: their runs belong together."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> LangChainSpanHandler:
        """Likewise; locks and open spans could not be copied anyway."""
        return self

    # -- models ---------------------------------------------------------------------------

    @guarded
    def on_llm_start(
        self, serialized: dict[str, Any] | None, prompts: list[str], **kwargs: Any
    ) -> None:
        """Start the span of a completion call's prompt."""

        def messages() -> str:
            return plain_json([prompt_message(prompt) for prompt in prompts])

        self._start_model("llm", serialized, messages, kwargs)

    @guarded
    def on_chat_model_start(
        self, serialized: dict[str, Any] | None, messages: list[list[BaseMessage]], **kwargs: Any
    ) -> None:
        """Start the span of a chat call."""

        def conversation() -> str:
            return plain_json(input_messages(message for turn in messages for message in turn))

        self._start_model("chat_model", serialized, conversation, kwargs)

    @guarded
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a streamed token; the first one's time is kept."""
        run = self.spans.open_run(run_id)
        if run is not None:
            run.tokens += 1
            if run.tokens == 1:
                run.first_token_s = time.monotonic()

    @guarded
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """End a model's span with its answers, usage and readability."""
        self.spans.end(run_id, "llm", kwargs, lambda run: self._response(run, response))

    @guarded
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End a model's span with an error."""
        self.spans.fail(run_id, "llm", kwargs, error)

    # -- chains ---------------------------------------------------------------------------

    @guarded
    def on_chain_start(self, serialized: dict[str, Any] | None, inputs: Any, **kwargs: Any) -> None:
        """Start a chain's span."""
        name = run_name(serialized, kwargs)
        operation = {}
        if name == "AgentExecutor":
            operation = {names.OPERATION_NAME: "invoke_agent", names.AGENT_NAME: name}
        content = {names.CHAIN_INPUT: lambda: io.chain_input(inputs)}
        self.spans.start("chain", name, kwargs, operation, content)

    @guarded
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End a chain's span with its answer."""
        content = io.chain_results(outputs, kwargs.get("inputs"))
        self._end_with(run_id, "chain", kwargs, content)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End a chain's span with an error."""
        self.spans.fail(run_id, "chain", kwargs, error, io.late_input(kwargs.get("inputs")))

    # -- tools and retrievers -------------------------------------------------------------

    @guarded
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Start a tool's span."""
        name = run_name(serialized, kwargs)
        fixed = {
            names.OPERATION_NAME: "execute_tool",
            names.TOOL_NAME: name,
            names.TOOL_TYPE: "function",
        }
        if description := (serialized or {}).get("description"):
            fixed[names.TOOL_DESCRIPTION] = to_text(description)
        if call_id := kwargs.get("tool_call_id"):
            fixed[names.TOOL_CALL_ID] = to_text(call_id)
        content = {
            names.TOOL_INPUT: lambda: tool_results.tool_input(input_str, inputs),
            names.TOOL_CALL_ARGUMENTS: lambda: to_json(inputs) if inputs else to_text(input_str),
        }
        self.spans.start("tool", name, kwargs, fixed, content)

    @guarded
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End a tool's span with its output."""
        self._end_with(run_id, "tool", kwargs, tool_results.tool_results(output))

    @guarded
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End a tool's span with an error."""
        self.spans.fail(run_id, "tool", kwargs, error)

    @guarded
    def on_retriever_start(
        self, serialized: dict[str, Any] | None, query: str, **kwargs: Any
    ) -> None:
        """Start a retriever's span."""
        fixed = {names.OPERATION_NAME: "retrieval"}
        content = {names.RETRIEVAL_QUERY: lambda: to_text(query)}
        self.spans.start("retriever", run_name(serialized, kwargs), kwargs, fixed, content)

    @guarded
    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End a retriever's span with its documents."""
        self._end_with(run_id, "retriever", kwargs, retrieval_results(documents))

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
        """LangGraph's pause; the chain's own end says it."""

    def on_resume(self, *args: Any, **kwargs: Any) -> None:
        """LangGraph's resumption; the chain's own start says it."""

    # -- what several callbacks share -------------------------------------------------------

    def _start_model(
        self,
        run_type: str,
        serialized: dict[str, Any] | None,
        messages: Callable[[], str],
        kwargs: dict[str, Any],
    ) -> None:
        params = cast("dict[str, Any]", kwargs.get("invocation_params") or {})
        metadata = cast("dict[str, Any]", kwargs.get("metadata") or {})
        fixed: dict[str, Any] = {
            names.OPERATION_NAME: "text_completion" if run_type == "llm" else "chat",
            names.PROVIDER_NAME: models.provider(params, metadata),
        }
        if model := models.request_model(params, metadata):
            fixed[names.REQUEST_MODEL] = model
        fixed.update(collected("request", models.request_attributes(params, metadata)))
        batch = self._batches.join(kwargs.get("invocation_params"), kwargs.get("batch_size") or 1)
        if batch is not None:
            fixed[names.BATCH_ID] = batch.batch_id
            fixed[names.BATCH_INDEX] = batch.index
            fixed[names.BATCH_SIZE] = batch.size
        content = {names.INPUT_MESSAGES: messages}
        self.spans.start(run_type, run_name(serialized, kwargs), kwargs, fixed, content)

    def _end_with(
        self,
        run_id: UUID,
        run_type: str,
        kwargs: dict[str, Any],
        content: Iterator[tuple[str, str]],
    ) -> None:
        """End a run with its content, which is computed only where it is captured."""

        def attributes(_: object) -> Iterator[tuple[str, Any]]:
            if self.spans.capture_content:
                yield from content

        self.spans.end(run_id, run_type, kwargs, attributes)

    def _response(self, run: OpenRun, response: LLMResult) -> Iterator[tuple[str, Any]]:
        answers = models.generations_of(response)
        yield from collected("usage", models.usage_attributes(response, answers))
        yield from collected("response", models.response_attributes(response, answers))
        if self.spans.capture_content:
            content = {names.OUTPUT_MESSAGES: lambda: models.output_messages(answers)}
            yield from collected("answer", computed(content))
        if self._scorer is not None:
            yield from collected("readability", self._scores(self._scorer, run, response))

    def _scores(
        self, scorer: Scorer, run: OpenRun, response: LLMResult
    ) -> Iterator[tuple[str, Any]]:
        answers = models.generations_of(response)
        metrics, later = scorer.measure([answer.text for answer in answers])
        # what is measured later is read from the span
        yield from scorer.attributes(metrics, later and self.spans.capture_content)
        if self._evaluation_events is not None:
            said = dict(models.response_attributes(response, answers))
            response_id = said.get(names.RESPONSE_ID)
            self._evaluation_events.emit(run.span, metrics, str(response_id or "") or None)


def _after_fork() -> None:
    for handler in list(_handlers):
        handler.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
