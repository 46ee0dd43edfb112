"""The details of each model call as a log event, where content shall stand in the logs.

One ``gen_ai.client.inference.operation.details`` record a call, parented to the model's span, with
the span's attributes and the messages in structured form, as the GenAI semantic conventions define
it (``model/gen-ai/events.yaml``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger
from opentelemetry.trace import Span, set_span_in_context

from clearml_otel import attributes as names
from clearml_otel.langchain.guard import report_error
from clearml_otel.langchain.log_events import log_event
from clearml_otel.version import __version__

_PREFIXES: Final = ("gen_ai.", "server.", "error.", "openai.")
_JSON: Final = frozenset({names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, names.TOOL_DEFINITIONS})
_FEATURE: Final = "content in events (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT)"


class InferenceEvents:
    """Emits the event of each model call.

    Args:
        logger_provider: where they go; the global provider by default.
    """

    def __init__(self, logger_provider: LoggerProvider | None = None) -> None:
        self._logger = get_logger(names.SCOPE_NAME, __version__, logger_provider)

    def emit(
        self,
        span: Span,
        request: Mapping[str, Any],
        response: Mapping[str, Any],
        content: Mapping[str, str] | None = None,
    ) -> None:
        """Emit the event of one call.

        Args:
            span: the model's span.
            request: the attributes of its start; of these and the next the conventions' own go
                into the event.
            response: those of its end.
            content: the messages as the JSON that a span's attributes hold, where the span itself
                holds none; what it holds is taken from there.
        """
        try:
            attributes: dict[str, Any] = {
                key: _structured(value) if key in _JSON else value
                for said in (request, response, content or {})
                for key, value in said.items()
                if key.startswith(_PREFIXES)
            }
            context = set_span_in_context(span)
            record = log_event(
                names.EVENT_INFERENCE_DETAILS, attributes, context, SeverityNumber.DEBUG, _FEATURE
            )
            if record is not None:
                self._logger.emit(record)
        except Exception as error:  # noqa: BLE001 - a provider's own code may raise anything
            report_error("inference event", error)


def _structured(value: object) -> object:
    """The conventions want structures in events; what is cut by a limit stays the text it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value
