"""LangChain instrumented for one test, and the tree of the spans that come of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import Tracer

from clearml_otel.langchain import LangChainInstrumentor, LangChainSpanHandler
from clearml_otel.records import SessionTables, build_tables
from clearml_otel.spans import from_readable_span
from support.run_names import run_name
from support.traced import memory_provider, nothing_left_behind


@dataclass
class Instrumented:
    """The finished spans of the process, ours and the application's."""

    provider: TracerProvider
    exporter: InMemorySpanExporter

    @property
    def tracer(self) -> Tracer:
        """The application's own."""
        return self.provider.get_tracer("application")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    @property
    def handler(self) -> LangChainSpanHandler:
        layer = LangChainInstrumentor._layer
        assert layer is not None
        return layer._handler

    @property
    def tables(self) -> SessionTables:
        return build_tables([from_readable_span(span) for span in self.spans])

    def paths(self) -> list[str]:
        """Each span as the names from its root to it, such as `"chain > tool > http"`, sorted."""
        by_id = {span.context.span_id: span for span in self.spans}

        def path(span: ReadableSpan) -> str:
            above = by_id.get(span.parent.span_id) if span.parent is not None else None
            orphan = "?" if span.parent is not None and above is None else ""
            own = orphan + run_name(span)
            return f"{path(above)} > {own}" if above is not None else own

        return sorted(path(span) for span in self.spans)

    def parents_of(self, name: str) -> list[str]:
        """The names of the parents of the spans of that name, in the order of their ends."""
        by_id = {span.context.span_id: span for span in self.spans}
        found = [span for span in self.spans if run_name(span) == name]
        assert found, f"no span {name}"
        parents = [by_id.get(span.parent.span_id) if span.parent else None for span in found]
        return [run_name(parent) if parent is not None else "nothing" for parent in parents]


@contextmanager
def instrumented(
    caplog: pytest.LogCaptureFixture, sampler: Sampler = ALWAYS_ON, **keywords: Any
) -> Iterator[Instrumented]:
    """Instruments; at the end nothing may be open, attached or complained of."""
    provider, exporter = memory_provider(sampler)
    settings = {"complexity_metrics": False, **keywords}
    LangChainInstrumentor().instrument(tracer_provider=provider, **settings)
    made = Instrumented(provider, exporter)
    watched = {"opentelemetry.context", "langchain_core.callbacks.manager", "clearml_otel"}
    try:
        with caplog.at_level(logging.WARNING), nothing_left_behind(made.handler):
            yield made
    finally:
        LangChainInstrumentor().uninstrument()
    complaints = [each.getMessage() for each in caplog.records if each.name in watched]
    complaints += [each.getMessage() for each in caplog.records if each.name == "asyncio"]
    assert complaints == []
