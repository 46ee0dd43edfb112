"""What models were asked with, among the hyper-parameters of each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from clearml_otel.clearml.transport import Transport
from clearml_otel.pipeline.delivery import Step
from clearml_otel.records.parameters import RequestParameters
from clearml_otel.spans import SpanRecord

SECTION: Final = "LLM"


class ModelParameters:
    """Gathers them over all publications and sends them where there are new ones."""

    def __init__(self) -> None:
        self._found: dict[str, RequestParameters] = {}
        self._told: dict[str, Mapping[str, str]] = {}

    def steps(self, task: str, spans: Iterable[SpanRecord]) -> list[Step]:
        """What is to be done.

        Args:
            task: which of the pipeline's tasks the spans go to.
            spans: those of a session.
        """
        found = self._found.setdefault(task, RequestParameters())
        found.add(spans)
        now = found.as_text()
        if now == self._told.get(task, {}):
            return []

        def send(transport: Transport) -> None:
            transport.set_parameters(SECTION, now)
            self._told[task] = now

        return [send]
