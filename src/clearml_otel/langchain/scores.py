"""Readability of a model's answers as span attributes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from clearml_otel import attributes as names
from clearml_otel.langchain.values import to_json

Measure: TypeAlias = "Callable[[str], Mapping[str, float | int | str]]"


def warm_up(measure: Measure) -> None:
    """Have the engine load its data now, in a thread that ends with it.

    The first measurement takes a tenth of a second; no callback should.
    """

    def load() -> None:
        with contextlib.suppress(Exception):
            # what is wrong is reported where an answer goes without its metrics
            measure("")

    threading.Thread(target=load, name="clearml-otel-readability", daemon=True).start()


def readability_attributes(
    texts: Sequence[str], measure: Measure
) -> Iterator[tuple[str, str | int | float]]:
    """The metrics of the first answer as attributes; of several, all as JSON beside.

    Args:
        texts: the answers; blank ones, such as turns that only call tools, are not measured.
        measure: gives the metrics of one text.
    """
    metrics: list[Mapping[str, float | int | str]] = [
        measure(text) if text and not text.isspace() else {} for text in texts
    ]
    if not any(metrics):
        return
    from clearml_otel import readability

    yield names.READABILITY_ENGINE, readability.ENGINE
    yield names.READABILITY_ENGINE_VERSION, readability.engine_version()
    for name, value in metrics[0].items():
        yield names.READABILITY_PREFIX + name, value
    if len(metrics) > 1:
        yield names.READABILITY_GENERATIONS, to_json(metrics)
