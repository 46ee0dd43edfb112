"""Switched on without a line of code: entry points, variables, options and a configuration file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from clearml_otel.records import build_tables
from clearml_otel.spans import SpanRecord
from clearml_otel.spans.otlp_json import read_otlp_json_lines
from support.clearml_double import ClearMLDouble
from support.commands import run_cli
from support.door_tables import TABLES, comparable_tables
from support.otlp_receiver import OtlpReceiver
from support.peers.facts import facts_of
from support.session_files import SessionFiles, read_zip, the_only_zip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not entry_points(group="opentelemetry_configurator"),
        reason="opentelemetry-distro is not installed (extra dev)",
    ),
]
TESTS = Path(__file__).parents[1]
PROGRAM = TESTS / "support" / "zero_code_program.py"
DOOR_PROGRAM = TESTS / "support" / "door_program.py"
# what opentelemetry-instrument is: its script may be in another environment than this interpreter
INSTRUMENT = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
OTHERS = "langchain,openai,openai_agents,openai-agents"
LANGCHAIN_SCOPES = {
    "clearml_otel.langchain",
    "openinference.instrumentation.langchain",
    "opentelemetry.instrumentation.langchain",
    "opentelemetry.instrumentation.genai.langchain",
}


def instrument(
    folder: Path, *options: str, program: Sequence[str | Path] = (PROGRAM,), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program as `opentelemetry-instrument` does."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    environment = {
        **kept,
        "HOME": str(folder),
        "PYTHONPATH": str(TESTS),
        "CLEARML_OFFLINE_MODE": "1",
        "CLEARML_CACHE_DIR": str(folder / "cache"),
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": OTHERS,
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", INSTRUMENT, *options, sys.executable, *program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done


def run_instrumented(
    folder: Path, *options: str, program: Sequence[str | Path] = (PROGRAM,), **variables: str
) -> tuple[SessionFiles, subprocess.CompletedProcess[str]]:
    """Likewise, and the offline session that came of it."""
    done = instrument(folder, *options, program=program, **variables)
    return read_zip(the_only_zip(folder / "cache")), done


def labels(session: SessionFiles) -> set[str]:
    return {series for metric, series, _ in session.tables if metric == "Runs"}


def check(session: SessionFiles, spans: list[SpanRecord]) -> None:
    """ClearML has a row for each run among the spans that the other backend got."""
    assert session.task["status"] == "completed"
    assert labels(session) == {"customer 42", "session"}
    rows = [row for name in labels(session) for row in session.table("Runs", name).dicts()]
    wanted = build_tables(spans).runs
    ids = wanted.columns.index("span_id")
    assert {row["span_id"] for row in rows} == {row[ids] for row in wanted.rows}
    facts = facts_of(spans)
    assert facts["model calls"] == {"paired": 4}
    assert facts["tools"] == {"weather": 1, "population": 1}


def test_beside_otlp(tmp_path: Path) -> None:
    with OtlpReceiver() as other:
        session, _ = run_instrumented(
            tmp_path,
            OTEL_TRACES_EXPORTER="otlp,clearml",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=other.endpoint,
            OTEL_EXPORTER_CLEARML_TASK_NAME="zero code",
        )
    check(session, other.spans)
    assert session.task["name"] == "zero code"
    (first, *_) = session.table("Session Analysis", "customer 42").dicts()
    assert isinstance(first["flesch_reading_ease"], float)


def test_with_every_other_instrumentation_that_is_installed(tmp_path: Path) -> None:
    with OtlpReceiver() as other:
        session, _ = run_instrumented(
            tmp_path,
            OTEL_TRACES_EXPORTER="otlp,clearml",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=other.endpoint,
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="",
        )
    check(session, other.spans)


def test_the_three_other_langchain_instrumentations_change_no_table(tmp_path: Path) -> None:
    tables = []
    for name, disabled in (("alone", OTHERS), ("beside", "")):
        (tmp_path / name).mkdir()
        with OtlpReceiver() as other:
            session, _ = run_instrumented(
                tmp_path / name,
                program=(DOOR_PROGRAM, "environment"),
                OTEL_TRACES_EXPORTER="otlp,clearml",
                OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=other.endpoint,
                OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled,
            )
        # some leave a span current after a stream: what comes next is in its trace then
        tables.append(comparable_tables(session, leave_out=["trace_id"]))
    assert {span.scope_name for span in other.spans} >= LANGCHAIN_SCOPES
    alone, beside = tables
    assert len(alone["Runs", "session"]) == 19
    assert beside == alone


def test_a_dead_backend_costs_clearml_nothing(tmp_path: Path) -> None:
    session, _ = run_instrumented(
        tmp_path,
        program=(DOOR_PROGRAM, "environment"),
        OTEL_TRACES_EXPORTER="otlp,clearml",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:9/v1/traces",  # nobody listens
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    assert session.task["status"] == "completed"
    rows = [len(session.table(metric, "session").rows) for metric in TABLES]
    assert rows == [38, 6, 19]


def test_a_dead_clearml_costs_the_backend_nothing(tmp_path: Path) -> None:
    with ClearMLDouble() as double, OtlpReceiver() as other:
        spool = str(tmp_path / "spool")
        client = {**double.env(), "OTEL_EXPORTER_CLEARML_SPOOL_FOLDER": spool}
        with double.down():
            done = instrument(
                tmp_path,
                program=(DOOR_PROGRAM, "environment"),
                **client,
                OTEL_TRACES_EXPORTER="otlp,clearml",
                OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=other.endpoint,
                OTEL_EXPORTER_CLEARML_TASK_NAME="it was dead",
                OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S="1",
            )
            assert len(other.spans) == 19
        assert "clearml-otel upload" in done.stderr
        assert run_cli(tmp_path, "upload", **client).status == 0
        tables = double.tables(double.task_by_name("it was dead")["id"])
    runs = tables["Runs", "session", 0]
    ids = runs.columns.index("span_id")
    assert {row[ids] for row in runs.rows} == {span.span_id for span in other.spans}


def test_options_of_the_command(tmp_path: Path) -> None:
    session, _ = run_instrumented(
        tmp_path,
        "--traces_exporter=clearml",
        "--exporter_clearml_task_name=from the command",
        "--exporter_clearml_complexity_metrics=false",
        "--exporter_clearml_capture_content=false",
    )
    assert session.task["name"] == "from the command"
    (first, *_) = session.table("Session Analysis", "customer 42").dicts()
    assert (first["prompts"], first["output"], first["flesch_reading_ease"]) == ("", "", "")


def test_wrong_settings_are_named_and_repaired(tmp_path: Path) -> None:
    session, done = run_instrumented(
        tmp_path,
        OTEL_TRACES_EXPORTER="clearml",
        OTEL_EXPORTER_CLEARML_TASK_TYPE="nonsense",
        OTEL_EXPORTER_CLEARML_READABILITY="guess",
    )
    assert "task_type='nonsense' is none of" in done.stderr
    assert "readability='guess' is none of seed" in done.stderr
    assert session.task["type"] == "inference"
    assert labels(session) == {"customer 42", "session"}


def test_a_configuration_file(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.configuration")
    archive = tmp_path / "spans.jsonl"
    configuration = tmp_path / "otel.yaml"
    configuration.write_text(
        f"""\
file_format: "1.0-rc.1"
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_file/development:
            output_stream: file://{archive}
    - batch:
        exporter:
          clearml:
            task_name: from a file
            tags: [one, two]
instrumentation/development:
  python:
    clearml_langchain:
      complexity_metrics: false
"""
    )
    session, done = run_instrumented(tmp_path, OTEL_CONFIG_FILE=str(configuration))
    check(session, list(read_otlp_json_lines(archive)))
    assert session.task["name"] == "from a file", done.stderr
    assert {"one", "two"} <= set(session.task["tags"])
    (first, *_) = session.table("Session Analysis", "customer 42").dicts()
    assert first["flesch_reading_ease"] == ""


def test_wrong_settings_in_a_configuration_file(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.configuration")
    configuration = tmp_path / "otel.yaml"
    configuration.write_text(
        """\
file_format: "1.0-rc.1"
tracer_provider:
  processors:
    - batch: { exporter: { clearml: { task_type: nonsense, colour: blue } } }
instrumentation/development:
  python:
    clearml_langchain: { complexity_metrics: maybe, colour: blue, capture_content: false }
"""
    )
    session, done = run_instrumented(tmp_path, OTEL_CONFIG_FILE=str(configuration))
    assert "clearml-otel: unknown setting 'colour'; the settings are capture_content" in done.stderr
    assert "clearml-otel: task_type='nonsense' is none of training, testing" in done.stderr
    assert "; 'inference' is used" in done.stderr
    assert "clearml-otel: unknown option 'colour' of clearml_langchain" in done.stderr
    assert "complexity_metrics='maybe': is neither true nor false; True is used" in done.stderr
    assert session.task["type"] == "inference"
    # what was right in the file is as it says
    (first, *_) = session.table("Session Analysis", "customer 42").dicts()
    assert (first["prompts"], first["output"]) == ("", "")
    assert isinstance(first["flesch_reading_ease"], float)
