"""Links both ways: from the runs table to another backend, and from our spans to the task."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

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

    # before the first publication there is no task that could be named
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
