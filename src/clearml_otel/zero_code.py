"""The instrumentor that ``opentelemetry-instrument`` and ``OTEL_CONFIG_FILE`` find."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from clearml_otel.diagnostics import report
from clearml_otel.langchain import LangChainInstrumentor
from clearml_otel.settings import Settings


@dataclass(frozen=True, slots=True, init=False)
class DeclarativeOptions:
    """What ``instrumentation/development: python: clearml_langchain:`` takes; all optional.

    An option that it does not know is logged and ignored: as an error, it would cost the others.

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

    def __init__(self, **options: Any) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, options.pop(name, None))
        for name in options:
            known = ", ".join(sorted(self.__slots__))
            report(
                f"zero_code.option.{name}",
                f"clearml-otel: unknown option {name!r} of clearml_langchain in the configuration "
                f"file; the options are {known}; ignored",
                level=logging.ERROR,
            )


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
