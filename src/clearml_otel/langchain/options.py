"""What ``LangChainInstrumentor().instrument(...)`` can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from opentelemetry._logs import LoggerProvider
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from clearml_otel.diagnostics import report
from clearml_otel.langchain.scores import MAX_WORDS
from clearml_otel.langchain.values import MAX_TEXT
from clearml_otel.readability import ENGINE, ENGINES

# what opentelemetry-instrumentation itself passes on, or reads
_OF_OTHERS: Final = frozenset({"skip_dep_check", "raise_exception_on_conflict"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentationOptions:
    """How LangChain's runs become spans.

    Args:
        tracer_provider: where the spans go; the global provider by default.
        meter_provider: where the GenAI conventions' metrics go; the global one by default.
        logger_provider: where log events go; the global one by default.
        complexity_metrics: compute readability metrics of every answer.
        readability: the engine that computes them: ``seed`` or ``textstat``.
        readability_max_words: words of an answer that is measured in its callback; longer ones are
            measured in the export's worker.
        evaluation_events: also emit the metrics as ``gen_ai.evaluation.result`` log events.
        capture_content: where prompts, answers, inputs and outputs go: a mode of
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``, which decides where this is not
            given, or a truth value; on the spans by default.
        redact: applied to each text of content, tags and metadata, with the name of the attribute
            that it goes to; gives the text that may be kept. Log probabilities, which hold an
            answer in pieces, are left out then.
        max_content_length: characters of one text; longer ones are cut and say so.
        capture_media: keep the bytes of images, audio and files in messages, as base64.
    """

    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    logger_provider: LoggerProvider | None = None
    complexity_metrics: bool = True
    readability: str = ENGINE
    readability_max_words: int = MAX_WORDS
    evaluation_events: bool = False
    capture_content: bool | str | None = None
    redact: Callable[[str, str], str] | None = None
    max_content_length: int = MAX_TEXT
    capture_media: bool = False

    @classmethod
    def from_keywords(cls, keywords: Mapping[str, Any]) -> InstrumentationOptions:
        """The options among the keywords of ``instrument()``.

        An unknown keyword, or a value that cannot be used, is named in the log and left out, so
        that it does not cost the application its tracing.

        Raises:
            TypeError: ``redact`` cannot be called: without it texts would go out as they are.
        """
        known = {item.name for item in fields(cls)}
        unknown = sorted(keywords.keys() - known - _OF_OTHERS)
        if unknown:
            report(
                "instrument.unknown",
                f"LangChainInstrumentor().instrument() knows no {', '.join(unknown)}; its options "
                f"are {', '.join(sorted(known))}; ignored",
            )
        given = {name: keywords[name] for name in known & keywords.keys()}
        defaults = {item.name: item.default for item in fields(cls)}
        for name, problem in _problems(given):
            report(
                f"instrument.{name}",
                f"LangChainInstrumentor().instrument(): {problem}; {defaults[name]!r} is used",
            )
            del given[name]
        return cls(**given)


def _problems(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if "readability" in given and given["readability"] not in ENGINES:
        told = f"readability={given['readability']!r} is none of {', '.join(ENGINES)}"
        problems.append(("readability", told))
    if given.get("redact") is not None and not callable(given["redact"]):
        raise TypeError("LangChainInstrumentor().instrument(): redact cannot be called")
    for name in ("readability_max_words", "max_content_length"):
        value = given.get(name, 1)
        if not isinstance(value, int) or value < 1:
            problems.append((name, f"{name}={value!r} is no number above 0"))
    for name in ("complexity_metrics", "evaluation_events", "capture_media"):
        value = given.get(name, True)
        if not isinstance(value, bool):
            problems.append((name, f"{name}={value!r} is neither True nor False"))
    return problems
