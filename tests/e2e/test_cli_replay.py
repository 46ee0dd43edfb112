"""`clearml-otel replay` as a program: what it publishes, and how it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import HEAVY, Outcome, run_cli
from support.demo_session import Demo
from support.session_files import read_zip, the_only_zip

NAMES = ("--session", "simple_sequential", "--session", "Agent with Tools")


def write_spans(demo: Demo, folder: Path) -> tuple[Path, Path]:
    """The demo's spans in two files, neither in order nor by session."""
    files = folder / "odd.jsonl", folder / "even.jsonl"
    for index, file in enumerate(files):
        file.write_text("".join(f"{span}\n" for span in demo.spans[index::2]))
    return files


def replay(folder: Path, *arguments: str | Path, **variables: str) -> Outcome:
    settings = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(folder / "cache")}
    return run_cli(folder, "replay", *arguments, **{**settings, **variables})


def test_replay_rebuilds_the_tables(demo: Demo, tmp_path: Path) -> None:
    outcome = replay(tmp_path, *write_spans(demo, tmp_path), *NAMES, "--project", "archive")
    assert (outcome.status, outcome.stderr) == (0, "")
    session = the_only_zip(tmp_path / "cache")
    assert outcome.stdout.splitlines() == [
        "simple_sequential: 24 action records, 12 prompts with their answers, 12 runs",
        "Agent with Tools: 15 action records, 3 prompts with their answers, 6 runs",
        f"The tables are in {session}",
    ]
    assert read_zip(session).tables == read_zip(demo.session).tables
    task = read_zip(session).task
    assert (task["project_name"], task["name"]) == ("archive", "replay of odd.jsonl and 1 more")
    assert not outcome.modules & HEAVY


def test_replay_names_the_task_as_it_is_told(demo: Demo, tmp_path: Path) -> None:
    files = write_spans(demo, tmp_path)
    outcome = replay(tmp_path, *files, OTEL_EXPORTER_CLEARML_TASK_NAME="from the settings")
    assert outcome.status == 0
    assert read_zip(the_only_zip(tmp_path / "cache")).task["name"] == "from the settings"
    other = tmp_path / "other"
    assert replay(tmp_path, *files, "--task-name", "told", CLEARML_CACHE_DIR=str(other)).status == 0
    assert read_zip(the_only_zip(other)).task["name"] == "told"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (b'{"resourceSpans": [{"scopeSpans": [{"spa', "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b'{"metrics": []}\n', "no OTLP trace data"),
        (b"[]\n", "not an OTLP JSON object"),
    ],
    ids=["truncated", "no UTF-8", "metrics", "a list"],
)
def test_replay_publishes_what_it_can_read(
    demo: Demo, tmp_path: Path, damage: bytes, says: str
) -> None:
    files = write_spans(demo, tmp_path)
    count = len(files[1].read_bytes().splitlines())
    with files[1].open("ab") as file:
        file.write(damage)
    outcome = replay(tmp_path, *files, *NAMES)
    assert f"{files[1]}, line {count + 1}: " in outcome.error
    assert says in outcome.error
    assert outcome.error.endswith("; the rest is published")
    assert read_zip(the_only_zip(tmp_path / "cache")).tables == read_zip(demo.session).tables


def test_replay_counts_damaged_lines(demo: Demo, tmp_path: Path) -> None:
    files = write_spans(demo, tmp_path)
    files[0].write_text("{\n" * 1_000 + files[0].read_text())
    error = replay(tmp_path, *files, *NAMES).error
    assert f"{files[0]}, line 1: " in error
    assert "(and 999 more such lines)" in error


def test_replay_goes_on_without_a_missing_file(demo: Demo, tmp_path: Path) -> None:
    missing = tmp_path / "missing.jsonl"
    outcome = replay(tmp_path, missing, *write_spans(demo, tmp_path), *NAMES)
    assert f"{missing}: cannot be read" in outcome.error
    assert read_zip(the_only_zip(tmp_path / "cache")).tables == read_zip(demo.session).tables


@pytest.mark.parametrize("content", ["", "\n\n", '{"resourceSpans": []}\n', "{\n"])
def test_replay_of_nothing_makes_no_task(tmp_path: Path, content: str) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_text(content)
    assert str(file) in replay(tmp_path, file).error
    assert not (tmp_path / "cache").exists()


def test_replay_refuses_short_names(demo: Demo, tmp_path: Path) -> None:
    files = write_spans(demo, tmp_path)
    for option in ("--task-name", "--project"):
        error = replay(tmp_path, *files, option, "ab").error
        assert "'ab'" in error
        assert "3 characters" in error
    assert not (tmp_path / "cache").exists()


def test_replay_into_an_unwritable_folder(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    error = replay(tmp_path, *write_spans(demo, tmp_path)).error
    assert str(tmp_path / "cache") in error
    assert "CLEARML_CACHE_DIR" in error


def test_replay_without_credentials(demo: Demo, tmp_path: Path) -> None:
    files = write_spans(demo, tmp_path)
    error = replay(tmp_path, *files, CLEARML_OFFLINE_MODE="").error
    assert "clearml-init" in error
    assert "CLEARML_OFFLINE_MODE=1" in error
