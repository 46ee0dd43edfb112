"""A span handler on a provider of its own, and what it made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models.fake import FakeListLLM
from opentelemetry import context as otel_context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.records import SessionTables, build_tables
from clearml_otel.spans import SpanRecord, from_readable_span
from support.run_names import run_name


def memory_provider(sampler: Sampler = ALWAYS_ON) -> tuple[TracerProvider, InMemorySpanExporter]:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


@dataclass
class Traced:
    """A handler and its finished spans."""

    provider: TracerProvider
    exporter: InMemorySpanExporter
    handler: LangChainSpanHandler

    @property
    def config(self) -> dict[str, Any]:
        return {"callbacks": [self.handler]}

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    @property
    def records(self) -> list[SpanRecord]:
        return [from_readable_span(span) for span in self.spans]

    @property
    def tables(self) -> SessionTables:
        return build_tables(self.records)

    @property
    def actions(self) -> list[str]:
        return [str(record["action"]) for record in self.tables.records]

    def one(self) -> SpanRecord:
        (record,) = self.records
        return record

    def named(self, name: str) -> SpanRecord:
        (record,) = [each for each in self.records if run_name(each) == name]
        return record

    def of_type(self, run_type: str) -> list[SpanRecord]:
        return [each for each in self.records if each.attributes["langchain.run.type"] == run_type]


def traced(sampler: Sampler = ALWAYS_ON, **keywords: Any) -> Traced:
    """A handler on a new provider; keywords are the handler's."""
    provider, exporter = memory_provider(sampler)
    return Traced(provider, exporter, LangChainSpanHandler(provider, **keywords))


def traced_model(processor: SpanProcessor, service: str = "") -> tuple[TracerProvider, FakeListLLM]:
    """A model, and the provider that brings its runs' spans to the processor."""
    resource = Resource({"service.name": service} if service else {})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    handler = LangChainSpanHandler(provider)
    return provider, FakeListLLM(responses=["an answer"], callbacks=[handler])


@contextmanager
def nothing_left_behind(*handlers: LangChainSpanHandler) -> Iterator[None]:
    """Fails where a run stays open or the current context is another one than before."""
    before = otel_context.get_current()
    yield
    assert otel_context.get_current() is before
    assert [len(handler.spans) for handler in handlers] == [0] * len(handlers)
