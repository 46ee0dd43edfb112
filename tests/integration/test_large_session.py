"""A session of 50,000 records: all of them in ClearML, in pieces that it takes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile

import pytest

from clearml_otel import ClearMLCallbackHandler
from clearml_otel.spans.otlp_json import from_otlp_json
from support.offline import OfflineClearML
from support.scripted_models import ScriptedLLM
from support.session_files import SessionFiles, the_only_zip

RECORDS = 50_000
CALLS = RECORDS // 2
LIMIT = 15_728_640
"""ClearML's own, of a request's body."""
MOST_ROWS = 5_000
ROWS_OF = {"Action Records": RECORDS, "Session Analysis": CALLS, "Runs": CALLS}
pytestmark = pytest.mark.slow


def test_every_row_of_a_large_session_is_there(
    offline: OfflineClearML, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S", "600")
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S", "600")
    handler = ClearMLCallbackHandler(project_name="large sessions", task_name="large")
    config = {"callbacks": [handler]}
    model = ScriptedLLM()
    for number in range(CALLS):
        model.invoke(f"prompt {number}", config)
    handler.flush_tracker(name="large", finish=True)

    session, path = offline.session(), the_only_zip(offline.root)
    wanted = [f"prompt {number}" for number in range(CALLS)]
    assert_the_plots_hold_all(session, wanted)
    with zipfile.ZipFile(path) as archive:
        with archive.open("metrics.jsonl") as lines:
            assert max(map(len, lines)) < LIMIT
        assert_the_artifacts_hold_all(archive, wanted)


def assert_the_plots_hold_all(session: SessionFiles, wanted: list[str]) -> None:
    for title, number in ROWS_OF.items():
        pages = [table for (metric, _, _), table in session.tables.items() if metric == title]
        assert max(len(page.rows) for page in pages) <= MOST_ROWS
        assert sum(len(page.rows) for page in pages) == number
    iterations = range(RECORDS // MOST_ROWS)
    actions = [
        row
        for iteration in iterations
        for row in session.tables["Action Records", "large", iteration].dicts()
    ]
    assert [row["step"] for row in actions] == list(range(1, RECORDS + 1))
    assert [row["prompts"] for row in actions[::2]] == wanted
    assert [row["llm_ends"] for row in actions[1::2]] == list(range(1, CALLS + 1))


def assert_the_artifacts_hold_all(archive: zipfile.ZipFile, wanted: list[str]) -> None:
    (table,) = [name for name in archive.namelist() if "Session" in name and name.endswith(".csv")]
    rows = csv.DictReader(io.StringIO(archive.read(table).decode()))
    assert [row["prompts"] for row in rows] == wanted
    (packed,) = [name for name in archive.namelist() if name.endswith(".gz")]
    lines = gzip.decompress(archive.read(packed)).splitlines()
    spans = [span for line in lines for span in from_otlp_json(line)]
    asked = [json.loads(str(span.attributes["gen_ai.input.messages"])) for span in spans]
    # in the order in which the traces were found to be whole
    found = [messages[0]["parts"][0]["content"] for messages in asked]
    assert sorted(found) == sorted(wanted)
