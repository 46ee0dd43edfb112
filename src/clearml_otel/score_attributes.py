"""Readability metrics as span attributes, the same whoever computed them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from clearml_otel import attributes as names

Metrics: TypeAlias = "Mapping[str, float | int | str]"


def score_attributes(
    metrics: Sequence[Metrics], engine: str, version: str
) -> Iterator[tuple[str, str | int | float]]:
    """The metrics of the first answer as attributes; of several, all as JSON beside.

    Args:
        metrics: those of each answer, in their order; empty for one that was not measured.
        engine: which engine made the numbers.
        version: its version.
    """
    if not any(metrics):
        return
    yield names.READABILITY_ENGINE, engine
    yield names.READABILITY_ENGINE_VERSION, version
    for name, value in metrics[0].items():
        yield names.READABILITY_PREFIX + name, value
    if len(metrics) > 1:
        yield names.READABILITY_GENERATIONS, json.dumps(metrics)
