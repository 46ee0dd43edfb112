"""What the entry points load, and that none of them can hurt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import entry_points
from typing import Any
from weakref import WeakSet

import pytest
from langchain_core.runnables import RunnableLambda
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, Sampler, SamplingResult

from clearml_otel import (
    ClearMLSpanExporter,
    LangChainInstrumentor,
    environment_variables,
    exporter,
)
from clearml_otel.attributes import TASK_ID
from clearml_otel.exporter_companion import attach_tracker
from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.settings import ENV_PREFIX, Settings
from clearml_otel.zero_code import DeclarativeOptions, ZeroCodeInstrumentor
from support.offline import OfflineClearML


@pytest.fixture
def global_provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    # other tests' exporters may still be there
    monkeypatch.setattr(exporter, "_exporters", WeakSet())
    return provider


@pytest.mark.parametrize(
    ("group", "name", "loaded"),
    [
        ("opentelemetry_traces_exporter", "clearml", ClearMLSpanExporter),
        ("opentelemetry_instrumentor", "clearml_langchain", ZeroCodeInstrumentor),
        ("opentelemetry_post_instrument", "clearml", attach_tracker),
        ("opentelemetry_environment_variables", "clearml", environment_variables),
    ],
)
def test_entry_points(group: str, name: str, loaded: object) -> None:
    (found,) = entry_points(group=group, name=name)
    assert found.load() is loaded


def test_no_distro_or_configurator_is_ours() -> None:
    for group in ("opentelemetry_distro", "opentelemetry_configurator"):
        assert not [item for item in entry_points(group=group) if "clearml" in item.value]


def test_there_is_a_variable_for_each_setting() -> None:
    names = {item.name.upper() for item in fields(Settings)}
    found = {name: value for name, value in vars(environment_variables).items() if "OTEL" in name}
    assert found == {ENV_PREFIX + name: ENV_PREFIX + name for name in names}


def test_instrumentation_options_are_settings() -> None:
    known = {item.name: item.type for item in fields(Settings)}
    for option in fields(DeclarativeOptions):
        assert option.type == f"{known[option.name]} | None"


@pytest.fixture
def instrumented(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(LangChainInstrumentor, "_instrument", lambda _, **kw: given.append(kw))
    yield given
    ZeroCodeInstrumentor().uninstrument()
    assert not LangChainInstrumentor().is_instrumented_by_opentelemetry


def test_variables_then_options_reach_the_instrumentation(
    instrumented: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_COMPLEXITY_METRICS", "false")
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_CAPTURE_CONTENT", "false")
    ZeroCodeInstrumentor().instrument(skip_dep_check=True, capture_content=True)
    (options,) = instrumented
    assert options["complexity_metrics"] is False
    assert options["capture_content"] is True
    assert set(DeclarativeOptions.__slots__) <= options.keys()


def test_a_flush_of_the_provider_publishes(
    offline: OfflineClearML, global_provider: TracerProvider
) -> None:
    flushed = ClearMLSpanExporter(task_name="flushed")
    global_provider.add_span_processor(BatchSpanProcessor(flushed))
    attach_tracker()
    with global_provider.get_tracer("app").start_as_current_span("chat") as span:
        span.set_attribute("gen_ai.operation.name", "chat")
    assert global_provider.force_flush()
    assert flushed.tracker.task_id
    global_provider.shutdown()
    assert len(offline.session().table("Runs", "session").rows) == 1


def test_spans_behind_the_exporter_name_their_task_once_it_is_known(
    offline: OfflineClearML, global_provider: TracerProvider
) -> None:
    memory = InMemorySpanExporter()
    named = ClearMLSpanExporter(task_name="named")
    global_provider.add_span_processor(SimpleSpanProcessor(memory))
    global_provider.add_span_processor(BatchSpanProcessor(named))
    attach_tracker()
    config: Any = {"callbacks": [LangChainSpanHandler(global_provider)]}
    RunnableLambda(str).invoke("before there is a task", config)
    assert global_provider.force_flush()
    with global_provider.get_tracer("app").start_as_current_span("GET /"):
        RunnableLambda(str).invoke("with a task", config)
    ids = [dict(span.attributes or {}).get(TASK_ID) for span in memory.get_finished_spans()]
    # others' spans are left as they are
    assert ids == [None, named.tracker.task_id, None]
    assert named.tracker.task_id
    global_provider.shutdown()


def test_without_an_exporter_of_ours_nothing_is_attached(global_provider: TracerProvider) -> None:
    attach_tracker()
    assert global_provider._active_span_processor._span_processors == ()


def test_another_kind_of_provider_is_left_alone(
    offline: OfflineClearML, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exporter, "_exporters", WeakSet())
    alone = ClearMLSpanExporter(task_name="alone")
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    attach_tracker()
    assert "NoOpTracerProvider" in caplog.text
    alone.shutdown()


def test_starts_are_told_of_spans_that_will_be_exported(
    offline: OfflineClearML, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "_exporters", WeakSet())
    told = ClearMLSpanExporter(task_name="told")
    started: list[str] = []
    monkeypatch.setattr(told.tracker, "span_started", lambda span: started.append(span.name))
    for sampler in (ALWAYS_ON, RecordOnly()):
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        monkeypatch.setattr(trace, "get_tracer_provider", lambda provider=provider: provider)
        attach_tracker()
        provider.get_tracer("app").start_span(type(sampler).__name__)
    assert started == ["StaticSampler"]
    told.shutdown()


class RecordOnly(Sampler):
    """Spans that processors see and exporters do not."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"
