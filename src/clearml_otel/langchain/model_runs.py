"""What the spans of model calls say: the request at their start, the answers at their end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from langchain_core.outputs import LLMResult
from opentelemetry.trace import Span

from clearml_otel import attributes as names
from clearml_otel.langchain.batches import BatchTracker
from clearml_otel.langchain.content import Content
from clearml_otel.langchain.evaluation_events import EvaluationEvents
from clearml_otel.langchain.guard import fill
from clearml_otel.langchain.messages import conversations_json, prompts_json
from clearml_otel.langchain.model_answers import (
    Answers,
    answers_of,
    logprobs,
    logprobs_json,
    output_messages_json,
    response_attributes,
)
from clearml_otel.langchain.model_requests import request_attributes, tool_definitions
from clearml_otel.langchain.runs import OpenRun
from clearml_otel.langchain.scores import Scorer
from clearml_otel.langchain.token_usage import usage_attributes
from clearml_otel.langchain.values import plain_json

_NOTHING: dict[str, Any] = {}
_TOOLS = frozenset({"tools", "functions"})
_OPERATIONS: Mapping[str, str] = {"llm": "text_completion", "chat_model": "chat"}


class ModelRuns:
    """Describes model calls for one handler.

    Args:
        content: what of their content goes on the spans.
        scorer: measures the answers; None to measure nothing.
        evaluation_events: gets the metrics too.
        capture_media: keep the bytes of images, audio and files in messages.
    """

    def __init__(
        self,
        content: Content,
        scorer: Scorer | None = None,
        evaluation_events: EvaluationEvents | None = None,
        *,
        capture_media: bool = False,
    ) -> None:
        self.batches = BatchTracker()
        self._content = content
        self._scorer = scorer
        self._evaluation_events = evaluation_events
        self._asked_json = {
            "llm": prompts_json,
            "chat_model": partial(conversations_json, capture_bytes=capture_media),
        }
        self._answered_json = partial(output_messages_json, capture_bytes=capture_media)

    def describe_request(
        self,
        attributes: dict[str, Any],
        name: str,
        serialized: dict[str, Any] | None,
        kwargs: Mapping[str, Any],
        asked: object,
    ) -> None:
        """Add what the start of a call says.

        Args:
            attributes: of its span, with its run type, ``llm`` or ``chat_model``.
            name: the run's.
            serialized: the callback's first argument.
            kwargs: the callback's keywords.
            asked: prompts, or lists of messages.
        """
        run_type: str = attributes[names.RUN_TYPE]
        given = kwargs.get("invocation_params")
        params: dict[str, Any] = given or _NOTHING
        metadata: dict[str, Any] = kwargs.get("metadata") or _NOTHING
        operation = _OPERATIONS[run_type]
        attributes.update(request_attributes(operation, params, metadata, serialized))
        size: int | None = kwargs.get("batch_size")
        batch = None if size is None or size == 1 else self.batches.join(given, size)
        if batch is not None:
            attributes[names.BATCH_ID] = batch.batch_id
            attributes[names.BATCH_INDEX] = batch.index
            attributes[names.BATCH_SIZE] = batch.size
        put = self._content.put
        put(attributes, names.INPUT_MESSAGES, self._asked_json[run_type], asked)
        if _TOOLS.isdisjoint(params):
            return
        if tools := tool_definitions(params):
            put(attributes, names.TOOL_DEFINITIONS, plain_json, tools)

    def describe_response(self, run: OpenRun, said: dict[str, Any], response: LLMResult) -> None:
        """Add what the end of a call says: answers, usage and readability.

        Args:
            run: the call's run.
            said: the attributes of the span's end.
            response: the model's.
        """
        answers = answers_of(response)
        said.update(usage_attributes(answers))
        said.update(response_attributes(answers))
        put = self._content.put
        put(said, names.OUTPUT_MESSAGES, self._answered_json, answers)
        # a text that is in pieces cannot be redacted
        if not self._content.redacts and (probabilities := logprobs(answers)):
            put(said, names.LOGPROBS, logprobs_json, probabilities)
        if self._scorer is not None:
            fill(said, "readability", self._scores, self._scorer, run.span, answers, said)

    def describe_part(self, run: OpenRun, said: dict[str, Any], response: object) -> None:
        """Add what a call had answered before an error, if it had.

        Args:
            run: the call's run.
            said: the attributes of the span's end.
            response: the error callback's ``response``.
        """
        if not isinstance(response, LLMResult):
            return
        answers = answers_of(response)
        said.update(usage_attributes(answers))
        said.update(response_attributes(answers))
        if any(answers.texts):
            self._content.put(said, names.OUTPUT_MESSAGES, self._answered_json, answers)

    def _scores(
        self, scorer: Scorer, span: Span, answers: Answers, said: dict[str, Any]
    ) -> Iterator[tuple[str, Any]]:
        metrics, later = scorer.measure(answers.texts)
        # what is measured later is read from the span
        yield from scorer.attributes(metrics, later and self._content.on_spans)
        if self._evaluation_events is not None:
            self._evaluation_events.emit(span, metrics, said.get(names.RESPONSE_ID))
