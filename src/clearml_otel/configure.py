"""One call for applications that have no OpenTelemetry set-up of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel.exporter import ClearMLSpanProcessor
from clearml_otel.id_generator import SystemIdGenerator
from clearml_otel.settings import Settings, SettingsError
from clearml_otel.tracker import Tracker


def configure(*, redact: Callable[[str, str], str] | None = None, **settings: object) -> Tracker:
    """Trace LangChain and put the traces into ClearML.

    Adds a :class:`~clearml_otel.ClearMLSpanProcessor` to the application's tracer provider, or
    sets a provider where there is none, and instruments LangChain where it is installed. Where it
    is instrumented already, as by ``opentelemetry-instrument``, that stays, unless ``redact`` or a
    setting that concerns spans is given: then this call's options replace the earlier ones. Called
    again, it adds another task, and the earlier one goes on until its tracker is finished.

    Args:
        redact: applied to each text of prompts, answers, inputs and outputs, with the name of the
            attribute that it goes to; gives the text that may be kept.
        settings: fields of :class:`~clearml_otel.settings.Settings`; ``store_code`` is on unless
            it is given.

    Returns:
        The tracker, with ``session(name)`` and ``flush(name)``.

    Raises:
        SettingsError: for a setting that is unknown or cannot be used; before anything is changed.
    """
    if redact is not None and not callable(redact):
        raise SettingsError(f"redact={redact!r} cannot be called; give a function")
    given = {"store_code": True, **settings}
    known = Settings.load(**given)
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(id_generator=SystemIdGenerator())
        trace.set_tracer_provider(provider)
    processor = ClearMLSpanProcessor(**given)
    provider.add_span_processor(processor)
    _instrument_langchain(provider, redact, known, settings)
    return processor.tracker


def _instrument_langchain(
    provider: TracerProvider,
    redact: Callable[[str, str], str] | None,
    known: Settings,
    given: Mapping[str, object],
) -> None:
    """Instrument it, where it is installed.

    Args:
        provider: where the spans go.
        redact: the application's.
        known: the settings in force.
        given: those that the application gave itself.
    """
    try:
        from clearml_otel.langchain import LangChainInstrumentor
        from clearml_otel.zero_code import DeclarativeOptions
    except ModuleNotFoundError:
        return
    names = DeclarativeOptions.__slots__
    instrumentor = LangChainInstrumentor()
    asked = redact is not None or any(given.get(name) is not None for name in names)
    if asked and instrumentor.is_instrumented_by_opentelemetry:
        # texts would go out unredacted if what is there stayed
        instrumentor.uninstrument()
    options = {name: getattr(known, name) for name in names}
    instrumentor.instrument(tracer_provider=provider, redact=redact, **options)
