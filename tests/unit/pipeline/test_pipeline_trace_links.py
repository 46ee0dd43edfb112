"""Links both ways: from the runs table to another backend, and from our spans to the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from clearml_otel import ClearMLCallbackHandler, ClearMLSpanProcessor
from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.pipeline.replay import replay
from clearml_otel.settings import Settings
from clearml_otel.spans import from_readable_span
from support.scripted_models import ScriptedLLM
from support.session_files import read_zip, the_only_zip

TEMPLATE = "https://jaeger.example/trace/{trace_id}?uiFind={x}"


def test_the_runs_table_and_the_spans_link_to_each_other(tmp_path: Path) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    clearml = ClearMLSpanProcessor(
        task_name="linked", trace_url=TEMPLATE, offline=True, offline_folder=str(tmp_path)
    )
    provider.add_span_processor(clearml)
    handler = LangChainSpanHandler(provider)
    ScriptedLLM().invoke("a", {"callbacks": [handler]})
    assert provider.force_flush()
    with provider.get_tracer("somebody else's").start_as_current_span("GET /"):
        ScriptedLLM().invoke("b", {"callbacks": [handler]})
    provider.shutdown()

    # the first span has the task made, and it is known to those that start later
    ids = [
        dict(span.attributes or {}).get("clearml.task.id") for span in memory.get_finished_spans()
    ]
    assert ids == [None, clearml.tracker.task_id, None]
    session = read_zip(the_only_zip(tmp_path))
    rows = session.table("Runs", "session").dicts()
    assert [row["trace_url"] for row in rows] == [
        f"https://jaeger.example/trace/{row['trace_id']}?uiFind={{x}}" for row in rows
    ]
    assert len({row["trace_url"] for row in rows}) == 2
    configuration = session.task["configuration"]["clearml-otel"]["value"]
    assert f"trace_url = {TEMPLATE!r}" in configuration.splitlines()


def test_a_long_trace_names_its_task_before_anything_is_published(tmp_path: Path) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    clearml = ClearMLSpanProcessor(task_name="long", offline=True, offline_folder=str(tmp_path))
    provider.add_span_processor(clearml)

    def work(question: str) -> str:
        assert clearml.tracker.wait(30)
        return ScriptedLLM().invoke(question)

    RunnableLambda(work).invoke("a", {"callbacks": [LangChainSpanHandler(provider)]})
    ids = [
        dict(span.attributes or {}).get("clearml.task.id") for span in memory.get_finished_spans()
    ]
    assert ids == [clearml.tracker.task_id, None]
    assert ids[0] is not None
    provider.shutdown()


class RecordOnly(Sampler):
    """Spans that processors see and that are in no table."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"


@pytest.mark.parametrize("interval_s", [0.0, 10.0])
def test_no_task_is_made_early_without_need(tmp_path: Path, interval_s: float) -> None:
    # publications at flushes only, or a span that is in no table
    provider = TracerProvider(sampler=None if interval_s == 0 else RecordOnly())
    clearml = ClearMLSpanProcessor(
        task_name="early",
        offline=True,
        offline_folder=str(tmp_path),
        publish_interval_s=interval_s,
    )
    provider.add_span_processor(clearml)
    ScriptedLLM().invoke("a", {"callbacks": [LangChainSpanHandler(provider)]})
    assert clearml.tracker.wait(30)
    assert clearml.tracker.task_id is None
    provider.shutdown()


def test_a_handlers_spans_name_its_task_after_the_first_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARML_OFFLINE_MODE", "1")
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_OFFLINE_FOLDER", str(tmp_path))
    handler = ClearMLCallbackHandler(project_name="a project", task_name="a task")
    assert "clearml.task.id" not in handler.tracker.end_attributes()
    ScriptedLLM().invoke("a", {"callbacks": [handler]})
    handler.flush_tracker()
    assert handler.tracker.end_attributes()["clearml.task.id"] == handler.tracker.task_id
    handler.flush_tracker(finish=True)
    assert "trace_url" not in read_zip(the_only_zip(tmp_path)).table("Runs", "session").columns


def test_a_replay_links_too(tmp_path: Path) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    ScriptedLLM().invoke("a", {"callbacks": [LangChainSpanHandler(provider)]})
    records = [from_readable_span(span) for span in memory.get_finished_spans()]
    settings = Settings.load(
        task_name="again", trace_url=TEMPLATE, offline=True, offline_folder=str(tmp_path)
    )
    (session,) = replay(records, settings).sessions
    assert session.tables.runs.columns[-1] == "trace_url"
    assert records[0].trace_id in str(session.tables.runs.rows[0][-1])
