"""Spans of other instrumentations only, through the exporter and through a replay, to ClearML."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from clearml_otel import ClearMLSpanExporter, ClearMLSpanProcessor, readability
from clearml_otel.pipeline.late_readability import LateReadability
from clearml_otel.pipeline.replay import replay
from clearml_otel.records import build_tables
from clearml_otel.settings import Settings
from support.offline import OfflineClearML
from support.peers.fixtures import FOLDER, recorded

SCOPE = "openinference.instrumentation.langchain"
PROSE = "The cat sat on the mat. It was happy there, all the long day."


def ask(provider: TracerProvider, answer: str) -> None:
    """What OpenInference's instrumentation does for a chain of one model call, in a session."""
    tracer = provider.get_tracer(SCOPE)
    with tracer.start_as_current_span("RunnableSequence") as chain:
        with tracer.start_as_current_span("ChatX") as call:
            call.set_attributes(
                {
                    "llm.input_messages.0.message.role": "user",
                    "llm.input_messages.0.message.content": "Where is the cat?",
                    "llm.output_messages.0.message.role": "assistant",
                    "llm.output_messages.0.message.content": answer,
                    "llm.token_count.prompt": 4,
                    "llm.token_count.completion": 15,
                    "llm.model_name": "x-1",
                    "session.id": "customer 42",
                    "openinference.span.kind": "LLM",
                }
            )
        chain.set_attribute("openinference.span.kind", "CHAIN")


@pytest.mark.parametrize("door", ["processor", "exporter"])
def test_tables_with_readability(door: str, offline: OfflineClearML) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    if door == "processor":
        provider.add_span_processor(ClearMLSpanProcessor(task_name="foreign"))
    else:
        provider.add_span_processor(BatchSpanProcessor(ClearMLSpanExporter(task_name="foreign")))
    ask(provider, PROSE)
    provider.shutdown()
    session = offline.session()
    (row,) = session.table("Session Analysis", "customer 42").dicts()
    assert (row["prompts"], row["output"]) == ("Human: Where is the cat?", PROSE)
    assert row["token_usage_total_tokens"] == 19
    assert {name: row[name] for name in readability.METRICS} == readability.measure(PROSE)
    chain, call = session.table("Runs", "customer 42").dicts()
    assert (chain["type"], call["type"]) == ("chain", "llm")
    assert call["parent_run_id"] == chain["run_id"]
    assert call["readability"] == f"seed {readability.engine_version()}"


@pytest.mark.parametrize(
    ("answer", "settings"),
    [(PROSE, {"complexity_metrics": False}), ("__REDACTED__", {}), ('{"a": [1, 2]}', {})],
    ids=repr,
)
def test_no_metrics(answer: str, settings: dict[str, bool], offline: OfflineClearML) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ClearMLSpanProcessor(task_name="foreign", **settings))
    ask(provider, answer)
    provider.shutdown()
    (row,) = offline.session().table("Session Analysis", "customer 42").dicts()
    assert row["output"] == ("" if answer == "__REDACTED__" else answer)
    assert {row[name] for name in readability.METRICS} == {""}


@pytest.mark.parametrize("peer", sorted(path.stem for path in FOLDER.glob("*.jsonl")))
def test_a_replay_of_recorded_spans(peer: str, offline: OfflineClearML) -> None:
    replay(recorded(peer), Settings.load(task_name=f"replay of {peer}"))
    session = offline.session()
    assert session.task["status"] == "completed"
    assert any(metric == "Runs" for metric, _, _ in session.tables)


def test_metrics_stay_with_the_spans() -> None:
    """The spans that are kept in ClearML give the tables again, without measuring again."""
    spans = LateReadability("seed").measured(recorded("traceloop"))
    assert LateReadability("textstat").measured(spans) == spans
    columns = build_tables(spans).session.columns
    (first, _) = build_tables(spans).session.rows
    assert first[columns.index("flesch_reading_ease")] is not None
    assert LateReadability().measured(recorded("traceloop")) == recorded("traceloop")
