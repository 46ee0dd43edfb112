"""The instrumentor that ``opentelemetry-instrument`` and ``OTEL_CONFIG_FILE`` find."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from clearml_otel.langchain import LangChainInstrumentor
from clearml_otel.settings import Settings


@dataclass(frozen=True, slots=True)
class DeclarativeOptions:
    """What ``instrumentation/development: python: clearml_langchain:`` takes; all optional.

    Args:
        complexity_metrics: see :class:`~clearml_otel.settings.Settings`, as for the others.
        readability: likewise.
        readability_max_words: likewise.
        evaluation_events: likewise.
        capture_content: likewise.
        max_content_length: likewise.
        capture_media: likewise.
    """

    complexity_metrics: bool | None = None
    readability: str | None = None
    readability_max_words: int | None = None
    evaluation_events: bool | None = None
    capture_content: bool | str | None = None
    max_content_length: int | None = None
    capture_media: bool | None = None


class ZeroCodeInstrumentor(BaseInstrumentor):
    """Instruments LangChain as the ``OTEL_EXPORTER_CLEARML_*`` variables say.

    The application's own ``LangChainInstrumentor()`` is the one that this switches on.
    """

    configuration = DeclarativeOptions

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of LangChain that this works with."""
        return LangChainInstrumentor().instrumentation_dependencies()

    def _instrument(self, **kwargs: Any) -> None:
        given = {name: kwargs.pop(name, None) for name in DeclarativeOptions.__slots__}
        settings = Settings.load_or_repair(**given)
        options = {name: getattr(settings, name) for name in given}
        LangChainInstrumentor().instrument(**options, **kwargs)

    def _uninstrument(self, **kwargs: Any) -> None:
        LangChainInstrumentor().uninstrument(**kwargs)
