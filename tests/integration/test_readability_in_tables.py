"""Readability through the whole: long answers, engines, one's own metrics, evaluation events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from langchain_core.language_models.fake import FakeListLLM
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clearml_otel import ClearMLCallbackHandler, readability
from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.langchain.evaluation_events import EvaluationEvents
from support.commands import run_program
from support.fake_cmudict import write_fake_cmudict
from support.offline import OfflineClearML
from support.session_files import read_zip, the_only_zip

TEXTSTAT_PROGRAM = Path(__file__).parents[1] / "support" / "textstat_program.py"

SHORT = "The cat sat on the mat. It was happy there, all the long day."
LONG = f"{SHORT} " * 300


def answered(
    offline: OfflineClearML, *answers: str, **settings: bool
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The session and runs rows after a model gave these answers."""
    handler = ClearMLCallbackHandler(task_name="readability", complexity_metrics=True, **settings)
    model = FakeListLLM(responses=list(answers), callbacks=[handler])
    for number in range(len(answers)):
        model.invoke(f"question {number}")
    handler.flush_tracker("asked", finish=True)
    session = offline.session()
    return (
        session.table("Session Analysis", "asked").dicts(),
        session.table("Runs", "asked").dicts(),
    )


def test_long_answers_are_measured_by_the_export(
    offline: OfflineClearML, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_READABILITY_MAX_WORDS", "50")
    rows, runs = answered(offline, SHORT, LONG)
    wanted = [readability.measure(SHORT), readability.measure(LONG)]
    found = [{name: row[name] for name in readability.METRICS} for row in rows]
    assert found == wanted
    assert [row["readability"] for row in runs] == [f"seed {readability.engine_version()}"] * 2


def test_a_long_answer_costs_its_callback_nothing() -> None:
    measured: list[int] = []
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def measure(text: str) -> dict[str, float | int | str]:
        measured.append(len(text))
        return {}

    handler = LangChainSpanHandler(provider, measure=measure)
    FakeListLLM(responses=["x" * 1_000_000], callbacks=[handler]).invoke("a question")
    assert not any(measured)
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["readability.later"] == "seed"


@pytest.mark.parametrize(
    "answer", ["", " \n", "42.", "👍", '{"a": [1, 2]}', "__REDACTED__", "你好。"]
)
def test_what_is_no_prose_has_its_row_and_no_numbers(answer: str, offline: OfflineClearML) -> None:
    (row,), _ = answered(offline, answer)
    assert row["output"] == answer
    assert {row[name] for name in readability.METRICS} == {""}


@pytest.fixture
def own_metric() -> Iterator[str]:
    readability.register("exclamations", lambda text: text.count("!"))
    yield "exclamations"
    readability.unregister("exclamations")


def test_ones_own_metric_is_a_column(own_metric: str, offline: OfflineClearML) -> None:
    rows, _ = answered(offline, "Hello! What a day!", "Hello.")
    assert [row[own_metric] for row in rows] == [2, 0]
    assert list(rows[0])[-1] == own_metric


def test_ones_own_metric_that_raises(
    offline: OfflineClearML, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(text: str) -> float:
        raise RuntimeError("my own fault")

    readability.register("broken", broken)
    try:
        with caplog.at_level(logging.WARNING, "clearml_otel"):
            rows, _ = answered(offline, SHORT, SHORT)
    finally:
        readability.unregister("broken")
    assert [row["output"] for row in rows] == [SHORT] * 2
    assert rows[0]["gunning_fog"] == readability.measure(SHORT)["gunning_fog"]
    said = [record.getMessage() for record in caplog.records if "broken" in record.getMessage()]
    assert len(said) == 1


@pytest.mark.parametrize("corpus", [True, False])
def test_the_installed_textstat_by_the_environment(corpus: bool, tmp_path: Path) -> None:
    data = tmp_path / "nltk_data"
    if corpus:
        write_fake_cmudict(data, ["the", "cat"])
    outcome = run_program(
        tmp_path,
        TEXTSTAT_PROGRAM,
        OTEL_EXPORTER_CLEARML_READABILITY="textstat",
        NLTK_DATA=str(data),
        CLEARML_OFFLINE_MODE="1",
        CLEARML_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert (outcome.status, outcome.stdout, outcome.network) == (0, "", ())
    session = read_zip(the_only_zip(tmp_path / "cache"))
    rows = session.table("Session Analysis", "asked").dicts()
    engines = [row["readability"] for row in session.table("Runs", "asked").dicts()]
    assert len(rows) == len(engines) == 2
    if corpus:
        versions = f"textstat-{metadata.version('textstat')}+pyphen-{metadata.version('pyphen')}"
        assert engines == [f"textstat {versions}+nltk-cmudict-2"] * 2
        assert outcome.stderr == ""
        assert all(isinstance(row["smog_index"], float) for row in rows)
    else:
        assert {row[name] for row in rows for name in readability.METRICS} == {""}
        (warning,) = outcome.stderr.splitlines()
        assert "readability metrics are left out: " in warning
        assert "python -m nltk.downloader cmudict" in warning


def test_evaluation_events() -> None:
    logs, spans = InMemoryLogRecordExporter(), InMemorySpanExporter()
    logger_provider = LoggerProvider(shutdown_on_exit=False)
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    handler = LangChainSpanHandler(
        provider,
        measure=readability.Measurer(),
        evaluation_events=EvaluationEvents(logger_provider),
    )
    FakeListLLM(responses=[SHORT], callbacks=[handler]).invoke("a question")

    (span,) = spans.get_finished_spans()
    records = [item.log_record for item in logs.get_finished_logs()]
    assert {record.event_name for record in records} == {"gen_ai.evaluation.result"}
    context = span.get_span_context()
    assert context is not None
    assert {(record.trace_id, record.span_id) for record in records} == {
        (context.trace_id, context.span_id)
    }
    found = {}
    for record in records:
        assert record.attributes is not None
        value = record.attributes.get("gen_ai.evaluation.score.value")
        label = record.attributes.get("gen_ai.evaluation.score.label")
        found[record.attributes["gen_ai.evaluation.name"]] = label if value is None else value
    assert found == readability.measure(SHORT)
    assert trace.get_current_span() is trace.INVALID_SPAN
