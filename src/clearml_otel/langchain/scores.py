"""When a model's answers are measured: at once, later, or not at all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from clearml_otel import attributes as names
from clearml_otel import readability
from clearml_otel.score_attributes import Metrics, score_attributes

Measure: TypeAlias = "Callable[[str], Metrics]"

MAX_WORDS: Final = 2_000
"""Words of an answer that is measured in the callback, which takes about a millisecond."""


class Scorer:
    """Measures answers in the end callback.

    Not measured are texts that the formulas say nothing of (:func:`readability.is_prose`): blank
    ones, such as turns that only call tools, redacted ones, whole JSON documents, texts in other
    scripts. Long ones are left to the export's worker where the span keeps their content.

    Args:
        measure: gives the metrics of one text, such as a :class:`readability.Measurer`.
        max_words: how long a text is measured at once.
    """

    def __init__(self, measure: Measure, max_words: int = MAX_WORDS) -> None:
        self._measure = measure
        self._max_words = max_words

    def warm_up(self) -> None:
        """Have the engine load its data now, in a thread that ends with it.

        The first measurement takes a tenth of a second; no callback should.
        """

        def load() -> None:
            with contextlib.suppress(Exception):
                # what is wrong is reported where an answer goes without its metrics
                self._measure("")

        threading.Thread(target=load, name="clearml-otel-readability", daemon=True).start()

    def measure(self, texts: Sequence[str]) -> tuple[list[Metrics], bool]:
        """The metrics of each answer, and whether some are left for later."""
        metrics: list[Metrics] = []
        later = False
        for text in texts:
            measured = bool(text) and readability.is_prose(text)
            at_once = measured and readability.within(text, self._max_words)
            metrics.append(self._measure(text) if at_once else {})
            later = later or (measured and not at_once)
        return metrics, later

    def attributes(self, metrics: Sequence[Metrics], later: bool) -> Iterator[tuple[str, Any]]:
        """What :meth:`measure` found, as span attributes."""
        engine = getattr(self._measure, "engine", readability.ENGINE)
        if later:
            yield names.READABILITY_LATER, engine
        if any(metrics):
            # a measurer's version is empty where its engine cannot work and only one's own metrics
            # are there; a plain function is no engine of ours
            version = getattr(self._measure, "version", "")
            yield from score_attributes(metrics, engine, version)
