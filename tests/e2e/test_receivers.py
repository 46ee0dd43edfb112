"""Phoenix and MLflow, really running, hold a span for each run that ClearML has a row for."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.clearml_double import ClearMLDouble
from support.commands import TESTS, run_cli, run_program
from support.receivers import HeldSpan, MLflowServer, PhoenixServer, receivers_python, started

PROGRAM = TESTS / "support" / "receivers_program.py"
PATIENCE_S = 30.0
FEWEST_RUNS = 60


def runs_in_clearml(double: ClearMLDouble, task_name: str) -> set[HeldSpan]:
    """ClearML's rows of runs, as the spans that they are of."""
    task = double.task_by_name(task_name)["id"]
    rows: list[dict[str, Any]] = []
    for (metric, _, _), table in double.tables(task).items():
        if metric == "Runs":
            rows += [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    spans = {row["run_id"]: row["span_id"] for row in rows}
    assert len(spans) == len(rows)
    return {
        HeldSpan(row["trace_id"], row["span_id"], spans[row["parent_run_id"]], "")
        if row["parent_run_id"]
        else HeldSpan(row["trace_id"], row["span_id"], None, "")
        for row in rows
    }


def held(server: PhoenixServer | MLflowServer, spans: int) -> Counter[HeldSpan]:
    """What the server holds, once that is so many spans; a name is no part of a table's run."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := server.spans()) < spans and time.monotonic() < deadline:
        time.sleep(0.2)  # it stores spans after it has accepted them, and tells nobody
    return Counter(span._replace(name="") for span in found)


@pytest.mark.slow
def test_both_hold_what_clearml_holds_up_or_down(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = receivers_python(tmp_path_factory)
    phoenix = PhoenixServer(python, tmp_path / "phoenix")
    mlflow = MLflowServer(python, tmp_path / "mlflow")

    def run_application(task_name: str) -> None:
        done = run_program(
            tmp_path,
            PROGRAM,
            phoenix.endpoint,
            mlflow.endpoint,
            **client,
            PYTHONPATH=f"{TESTS / 'support' / 'watched_process'}:{TESTS}",
            OTEL_EXPORTER_CLEARML_TASK_NAME=task_name,
            OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S=patience,
        )
        assert (done.status, done.stdout) == (0, ""), done.stderr

    with ClearMLDouble() as double, started(phoenix, mlflow):
        client = {
            **double.env(),
            "OTEL_EXPORTER_CLEARML_SPOOL_FOLDER": str(tmp_path / "spool"),
        }
        patience = "60"
        run_application("while up")
        up = runs_in_clearml(double, "while up")
        assert len(up) >= FEWEST_RUNS
        for server in (phoenix, mlflow):
            assert held(server, len(up)) == Counter(up)

        patience = "1"
        with double.down():
            run_application("while down")
            found = [held(server, 2 * len(up)) for server in (phoenix, mlflow)]
        # what they held while ClearML was down is what ClearML has once it is up again
        assert run_cli(tmp_path, "upload", **client).status == 0
        down = runs_in_clearml(double, "while down")
        assert len(down) == len(up)
        assert found == [Counter(up | down)] * 2
        assert double.violations == []
