"""One call for applications that have no OpenTelemetry set-up of their own."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel.exporter import ClearMLSpanProcessor
from clearml_otel.id_generator import SystemIdGenerator
from clearml_otel.settings import Settings
from clearml_otel.tracker import Tracker


def configure(*, redact: Callable[[str, str], str] | None = None, **settings: object) -> Tracker:
    """Trace LangChain and put the traces into ClearML.

    Adds a :class:`~clearml_otel.ClearMLSpanProcessor` to the application's tracer provider, or
    sets a provider where there is none, and instruments LangChain where it is installed.

    Args:
        redact: applied to each text of prompts, answers, inputs and outputs, with the name of the
            attribute that it goes to; gives the text that may be kept.
        settings: fields of :class:`~clearml_otel.settings.Settings`; ``store_code`` is on unless
            it is given.

    Returns:
        The tracker, with ``session(name)`` and ``flush(name)``.

    Raises:
        SettingsError: for a setting that is unknown or cannot be used.
    """
    given = {"store_code": True, **settings}
    known = Settings.load(**given)
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(id_generator=SystemIdGenerator())
        trace.set_tracer_provider(provider)
    processor = ClearMLSpanProcessor(**given)
    provider.add_span_processor(processor)
    _instrument_langchain(provider, known, redact)
    return processor.tracker


def _instrument_langchain(
    provider: TracerProvider, settings: Settings, redact: Callable[[str, str], str] | None
) -> None:
    try:
        from clearml_otel.langchain import LangChainInstrumentor
    except ModuleNotFoundError:
        return
    LangChainInstrumentor().instrument(
        tracer_provider=provider,
        complexity_metrics=settings.complexity_metrics,
        readability=settings.readability,
        readability_max_words=settings.readability_max_words,
        evaluation_events=settings.evaluation_events,
        capture_content=settings.capture_content,
        redact=redact,
        max_content_length=settings.max_content_length,
        capture_media=settings.capture_media,
    )
