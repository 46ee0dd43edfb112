from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.clearml import sessions
from clearml_otel.clearml.events import console, table_plots
from clearml_otel.clearml.offline import OfflineTransport
from clearml_otel.clearml.sessions import SessionError, Table, read_session
from clearml_otel.clearml.transport import TaskSpec

SDK_TABLE = {
    "data": [
        {
            "type": "table",
            "header": {"values": ["index", ["a"], ["b"]]},
            "cells": {"values": [[0, 1], [1, 2], ["x", "nan"]]},
        }
    ],
    "layout": {},
}


def plot(figure: Any, **fields: Any) -> dict[str, Any]:
    event = {"type": "plot", "metric": "T", "variant": "v", "iter": 0, "task": "offline-1"}
    return {**event, "plot_str": json.dumps(figure), **fields}


def write(folder: Path, *batches: list[dict[str, Any]], task: str = '{"id": "offline-1"}') -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "task.json").write_text(task)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in batches))
    return folder


def pack(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.rglob("*")):
            archive.write(each, each.relative_to(folder).as_posix())
    return path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    transport = OfflineTransport(TaskSpec("demo", "my task"), folder=tmp_path)
    for rows in ([["old"]], [["new"], [None]]):
        transport.send(list(table_plots("T", "v", ["a"], rows, timestamp_ms=5)))
    transport.send(list(table_plots("T", "w", ["a", "b"], [[1, "é"]], iteration=2, timestamp_ms=5)))
    transport.send(console(["one", "two"], timestamp_ms=6))
    transport.close("completed")
    return Path(transport.location)


@pytest.mark.parametrize("packed", [True, False])
def test_what_was_written_is_read_and_the_last_write_wins(ours: Path, packed: bool) -> None:
    session = read_session(ours if packed else ours.with_suffix(""))
    assert session.tables() == [
        Table("T", "v", 0, ["a"], [["new"], [""]]),
        Table("T", "w", 2, ["a", "b"], [[1, "é"]]),
    ]
    assert session.console() == ["one", "two"]
    assert (session.task["name"], session.task["status"]) == ("my task", "completed")
    assert session.notes == ()


def test_tables_of_the_sdk_are_read(tmp_path: Path) -> None:
    scatter = {"data": [{"type": "scatter", "y": [1]}], "layout": {}}
    session = read_session(
        write(
            tmp_path / "s",
            [plot(SDK_TABLE), plot(scatter, variant="other"), plot({"data": []}, variant="none")],
        )
    )
    assert session.tables() == [
        Table("T", "v", 0, ["index", "a", "b"], [[0, 1, "x"], [1, 2, "nan"]])
    ]


def test_a_session_without_events_is_a_session(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text("{}")
    session = read_session(tmp_path)
    assert (session.tables(), session.console(), session.notes) == ([], [], ())


def test_an_unfinished_last_line_is_noted(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", [plot(SDK_TABLE)], [plot(SDK_TABLE, variant="cut")])
    path = folder / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    session = read_session(folder)
    assert [table.variant for table in session.tables()] == ["v"]
    assert session.notes == (
        "metrics.jsonl ends in the middle of a line; what was being written is missing",
    )


@pytest.mark.parametrize(
    "content",
    ["[{]\n", "{}\n", "[1]\n", '[{"type": 1}]\n', "\x00\n[]\n", "[" * 100_000 + "\n"],
)
def test_a_damaged_line_is_one_clear_line(tmp_path: Path, content: str) -> None:
    folder = write(tmp_path / "s")
    (folder / "metrics.jsonl").write_text(content)
    with pytest.raises(SessionError) as caught:
        read_session(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("task", ["", "{", "[]", "null", '"text"'])
def test_a_damaged_task_is_one_clear_line(tmp_path: Path, task: str) -> None:
    with pytest.raises(SessionError, match=r"task\.json is damaged"):
        read_session(write(tmp_path / "s", task=task))


@pytest.mark.parametrize(
    "figure",
    [
        {},
        [],
        {"data": [{"type": "table"}]},
        {"data": [{"type": "table", "header": {"values": [[]]}, "cells": {"values": [[]]}}]},
        {"data": [{"type": "table", "header": {"values": []}, "cells": {"values": [[1], []]}}]},
        {"data": [7]},
    ],
)
def test_a_damaged_plot_is_one_clear_line(tmp_path: Path, figure: Any) -> None:
    session = read_session(write(tmp_path / "s", [plot(figure)]))
    with pytest.raises(SessionError, match="the plot T/v is damaged"):
        session.tables()


def test_what_is_no_session_is_one_clear_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no session")
    empty = tmp_path / "empty"
    empty.mkdir()
    other = pack(empty)
    for path, message in (
        (tmp_path / "missing", "there is no such offline session"),
        (tmp_path / "missing.zip", "there is no such offline session"),
        (text, "neither a session's folder nor a whole .zip"),
        (empty, "it holds no task.json"),
        (other, "it holds no task.json"),
    ):
        with pytest.raises(SessionError, match=message) as caught:
            read_session(path)
        assert str(path) in str(caught.value)


def test_every_truncated_archive_is_one_clear_line(ours: Path) -> None:
    whole = ours.read_bytes()
    for length in range(0, len(whole), 97):
        ours.write_bytes(whole[:length])
        with pytest.raises(SessionError) as caught:
            read_session(ours)
        assert "\n" not in str(caught.value)


def test_every_corrupt_archive_is_an_error_or_still_readable(ours: Path) -> None:
    whole = ours.read_bytes()
    messages: list[str] = []
    for position in range(0, len(whole), 31):
        ours.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            read_session(ours).tables()
        except SessionError as error:
            messages.append(str(error))
    assert len(messages) > 5
    assert not any("\n" in message for message in messages)


def test_members_with_hostile_names_are_never_written(tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("task.json", "{}")
        archive.writestr("../evil.txt", "x")
        archive.writestr("/tmp/clearml-otel-evil.txt", "x")
        archive.writestr("sub/metrics.jsonl", "damaged")
    before = set(tmp_path.rglob("*"))
    assert read_session(path).events == []
    assert set(tmp_path.rglob("*")) == before
    assert not Path("/tmp/clearml-otel-evil.txt").exists()


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_FILE", 1_000_000)
    folder = write(tmp_path / "s")
    (folder / "metrics.jsonl").write_bytes(b" " * 2_000_000)
    for path in (folder, pack(folder)):
        with pytest.raises(SessionError, match="larger than the 1,000,000 bytes"):
            read_session(path)
