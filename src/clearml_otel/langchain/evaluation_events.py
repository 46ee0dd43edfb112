"""Readability metrics as GenAI evaluation events, beside the span attributes.

One log record named ``gen_ai.evaluation.result`` a metric, parented to the model's span, as the
GenAI semantic conventions define it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger
from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context

from clearml_otel import attributes as names
from clearml_otel.langchain.log_events import log_event
from clearml_otel.score_attributes import Metrics
from clearml_otel.version import __version__


class EvaluationEvents:
    """Emits the events of each answer.

    Args:
        logger_provider: where they go; the global provider by default.
    """

    def __init__(self, logger_provider: LoggerProvider | None = None) -> None:
        self._logger = get_logger(names.SCOPE_NAME, __version__, logger_provider)

    def emit(self, span: Span, metrics: Sequence[Metrics], response_id: str | None) -> None:
        """Emit one event a metric.

        Args:
            span: the model's span.
            metrics: those of each answer, in their order.
            response_id: the provider's id of the response, where it is known.
        """
        context = set_span_in_context(span)
        for index, answer in enumerate(metrics):
            for name, value in answer.items():
                attributes: dict[str, Any] = {names.EVALUATION_NAME: name}
                if isinstance(value, str):
                    attributes[names.EVALUATION_SCORE_LABEL] = value
                else:
                    attributes[names.EVALUATION_SCORE_VALUE] = float(value)
                if response_id:
                    attributes[names.RESPONSE_ID] = response_id
                if len(metrics) > 1:
                    attributes[names.GENERATION_INDEX] = index
                self._emit(context, attributes)

    def _emit(self, context: Context, attributes: dict[str, Any]) -> None:
        record = log_event(
            names.EVENT_EVALUATION_RESULT,
            attributes,
            context,
            SeverityNumber.INFO,
            "evaluation_events",
        )
        if record is not None:
            self._logger.emit(record)
