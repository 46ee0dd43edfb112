"""What ClearML does not take before a process ends is published by the next one, once."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.clearml.transport import ModelUpload, TaskReference, Transport
from clearml_otel.pipeline import delivery as delivery_module
from clearml_otel.pipeline import orphans, spool_folder
from clearml_otel.pipeline.orphans import Delivered
from clearml_otel.pipeline.pipeline import Pipeline
from clearml_otel.pipeline.process_spools import spools
from clearml_otel.pipeline.spool_file import Label, SpoolFile
from clearml_otel.settings import Settings
from support.run_records import call
from support.scripted_transport import ScriptedTransport, down, refused

LONG = 30.0


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_LAST_PAUSES_S", (0.0,))
    monkeypatch.delattr(sys, "last_value", raising=False)


@pytest.fixture
def next_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedTransport]:
    """The transport of the process that finds the orphans, and which task it goes on with."""
    transport = ScriptedTransport()
    resumed: list[TaskReference | None] = []

    def resume(_: Settings, task: TaskReference | None, name: str) -> Transport:
        resumed.append(task)
        return transport

    monkeypatch.setattr(orphans, "transport_to_resume", resume)
    transport.resumed = resumed  # type: ignore[attr-defined] - for the tests to look at
    yield transport
    spools.close()


def pipeline_on(transport: ScriptedTransport, **settings: Any) -> Pipeline:
    given = {"task_name": "a task", "shutdown_timeout_s": 0.0, "flush_timeout_s": 0.0, **settings}
    return Pipeline(Settings(**given), transport)


def deliver(folder: Path, **keywords: Any) -> list[Delivered]:
    for spool in spools._all():
        spool.close()
    return list(orphans.deliver([folder], **keywords))


def prompts(transport: ScriptedTransport, series: str) -> list[str]:
    return [row[1] for row in transport.tables()["Session Analysis", series]]


def test_the_next_process_publishes_what_was_left(
    own_spool: Path, next_one: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = pipeline_on(ScriptedTransport(down))
    pipeline.add(call("a", 1))
    pipeline.end_sessions("mine", ModelUpload("mine", "mine.json", b"{}", tags=("t",)))
    pipeline.add(call("b", 3))
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        pipeline.close("failed", "boom")
    (told,) = [each.getMessage() for each in caplog.records if "kept in" in each.getMessage()]
    assert str(own_spool) in told
    assert "clearml-otel upload" in told
    (delivered,) = deliver(own_spool)
    assert (delivered.problem, delivered.left.spans) == ("", 2)
    assert prompts(next_one, "mine") == ["a"]
    assert prompts(next_one, "session") == ["b"]
    assert next_one.models["mine"].data == b"{}"
    assert next_one.models["mine"].tags == ("t",)
    assert next_one.closed == [("failed", "boom")]
    assert list(own_spool.iterdir()) == []
    assert deliver(own_spool) == []


def test_what_clearml_has_leaves_no_file(own_spool: Path) -> None:
    pipeline = pipeline_on(ScriptedTransport(), shutdown_timeout_s=LONG)
    pipeline.add(call("a", 1))
    pipeline.write()
    assert pipeline._spool.path is not None
    pipeline.close()
    spools.close()
    assert list(own_spool.iterdir()) == []


def test_the_same_tables_of_the_same_task_are_gone_on_with(
    own_spool: Path, next_one: ScriptedTransport
) -> None:
    """What was published of the part is replaced, names that were given before stay their own."""
    transport = ScriptedTransport()
    pipeline = pipeline_on(transport)
    pipeline.add(call("before", 1))
    pipeline.end_sessions("mine")
    assert pipeline.wait(LONG)
    pipeline.add(call("a", 3))
    pipeline.publish()
    assert pipeline.wait(LONG)
    pipeline.add(call("b", 5))
    pipeline.write()
    abandon(pipeline)
    (delivered,) = deliver(own_spool)
    assert delivered.problem == ""
    assert next_one.resumed == [TaskReference("task")]  # type: ignore[attr-defined]
    assert prompts(next_one, "session") == ["a", "b"]
    assert ("Session Analysis", "mine") not in next_one.tables()
    ((status, message),) = next_one.closed
    assert status == "failed"
    assert "its process ended" in message


def abandon(pipeline: Pipeline) -> None:
    """What is left of a pipeline whose process was killed."""
    pipeline._delivery.after_fork()
    pipeline._closed = True
    pipeline._stream._spool.abandon()


def test_lines_of_the_console_are_not_logged_again(
    own_spool: Path, next_one: ScriptedTransport
) -> None:
    pipeline = pipeline_on(ScriptedTransport(), stream_logs=True)
    pipeline.add(call("a", 1))
    pipeline.publish()
    assert pipeline.wait(LONG)
    pipeline.add(call("b", 3))
    pipeline.write()
    abandon(pipeline)
    deliver(own_spool)
    steps = [
        line.partition("'step': ")[2][:1]
        for line in next_one.console()
        if line.startswith("{'action': '")
    ]
    assert steps == ["3", "4"]


def test_a_server_that_is_down_keeps_it_waiting(
    own_spool: Path, next_one: ScriptedTransport
) -> None:
    pipeline = pipeline_on(ScriptedTransport(down))
    pipeline.add(call("a", 1))
    pipeline.close()
    next_one.trouble = down
    (delivered,) = deliver(own_spool)
    assert "start it" in delivered.problem
    next_one.trouble = None
    (delivered,) = deliver(own_spool)
    assert delivered.problem == ""
    assert prompts(next_one, "session") == ["a"]


def test_what_is_refused_for_good_is_kept_and_told(
    own_spool: Path, next_one: ScriptedTransport
) -> None:
    pipeline = pipeline_on(ScriptedTransport(lambda m: refused() if m == "send" else None))
    pipeline.add(call("a", 1))
    pipeline.end_sessions()
    assert pipeline.wait(LONG)
    pipeline.close()
    next_one.trouble = lambda method: refused() if method == "send" else None
    (delivered,) = deliver(own_spool)
    assert "change it" in delivered.problem
    assert [left.spans for left in orphans.waiting([own_spool])] == [1]


def test_what_is_for_another_server_waits(
    own_spool: Path, next_one: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARML_API_HOST", "http://one:8008")
    pipeline = pipeline_on(ScriptedTransport(down))
    pipeline.add(call("a", 1))
    pipeline.close()
    monkeypatch.setenv("CLEARML_API_HOST", "http://two:8008")
    assert deliver(own_spool) == []
    (left,) = orphans.waiting([own_spool])
    assert (left.destination, left.is_for_us) == ("http://one:8008", False)
    (delivered,) = deliver(own_spool, everything=True)
    assert delivered.problem == ""


def test_a_living_process_keeps_its_spool(own_spool: Path, next_one: ScriptedTransport) -> None:
    pipeline = pipeline_on(ScriptedTransport(down))
    pipeline.add(call("a", 1))
    pipeline.write()
    assert list(orphans.deliver([own_spool])) == []
    assert [(left.spans, left.in_use) for left in orphans.waiting([own_spool])] == [(1, True)]
    pipeline.close()


def test_of_two_that_look_at_once_one_publishes(
    own_spool: Path, next_one: ScriptedTransport
) -> None:
    pipeline = pipeline_on(ScriptedTransport(down))
    pipeline.add(call("a", 1))
    pipeline.close()
    spools.close()
    barrier, found = threading.Barrier(8), list[Delivered]()

    def look() -> None:
        barrier.wait()
        found.extend(orphans.deliver([own_spool]))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1
    assert next_one.calls.count("upload_artifact") == 4
    assert list(own_spool.iterdir()) == []


def test_a_task_that_was_deleted_is_made_anew(
    own_spool: Path, next_one: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_on(ScriptedTransport())
    pipeline.add(call("a", 1))
    pipeline.publish()
    assert pipeline.wait(LONG)
    abandon(pipeline)
    gone = ScriptedTransport(refused)
    monkeypatch.setattr(
        orphans, "transport_to_resume", lambda _, task, name: next_one if task is None else gone
    )
    (delivered,) = deliver(own_spool)
    assert delivered.problem == ""
    assert gone.tried == ["open"]
    assert prompts(next_one, "session") == ["a"]


def test_no_time_left_means_later(own_spool: Path, next_one: ScriptedTransport) -> None:
    pipeline = pipeline_on(ScriptedTransport(down))
    pipeline.add(call("a", 1))
    pipeline.close()
    (delivered,) = deliver(own_spool, deadline=0.0)
    assert "no time left" in delivered.problem
    (delivered,) = deliver(own_spool)
    assert delivered.problem == ""


def test_a_process_that_goes_on_delivers_what_its_closed_pipelines_left(
    own_spool: Path, next_one: ScriptedTransport
) -> None:
    other = pipeline_on(ScriptedTransport(down))
    other.add(call("other", 1))
    other.write()
    pipeline = pipeline_on(ScriptedTransport(down))
    pipeline.add(call("a", 1))
    pipeline.close()
    spools._deliver()
    assert prompts(next_one, "session") == ["a"]
    assert pipeline._spool.left == set()
    # the other's own spans are its own business
    assert [left.spans for left in orphans.waiting([own_spool])] == [1]
    other.close()


def test_names_stay_apart_over_many_parts(
    own_spool: Path, next_one: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is looked up once a part, however many there are: a service may flush every request."""
    pipeline = pipeline_on(ScriptedTransport(down), charts=False)
    for number in range(50):
        pipeline.add(call(f"q{number}", 1))
        pipeline.end_sessions("mine")
    pipeline.close()
    read: list[int] = []
    labels = SpoolFile.labels

    def counted(file: SpoolFile, stream: str, part: int | None = None) -> list[Label]:
        found = labels(file, stream, part)
        read.append(len(found))
        return found

    monkeypatch.setattr(SpoolFile, "labels", counted)
    (delivered,) = deliver(own_spool)
    assert delivered.problem == ""
    assert sum(read) < 100
    assert prompts(next_one, "mine") == ["q0"]
    assert prompts(next_one, "mine (50)") == ["q49"]


# -- damage ------------------------------------------------------------------------------


def left_behind(folder: Path, spans: int = 1) -> Path:
    before = spool_folder.spools(folder)
    pipeline = pipeline_on(ScriptedTransport(down))
    for number in range(spans):
        pipeline.add(call(f"q{number}", 1 + 2 * number))
        pipeline.write()
    pipeline.close()
    spools.close()
    (path,) = (each for each in spool_folder.spools(folder) if each not in before)
    return path


def test_a_file_that_is_no_database_is_set_aside(
    own_spool: Path, next_one: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    path = left_behind(own_spool)
    path.write_bytes(b"no database" * 1_000)
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        assert deliver(own_spool) == []
    assert "is damaged" in caplog.text
    assert [each.name for each in own_spool.iterdir()] == [f"{path.name}.corrupt"]


def test_a_damaged_batch_costs_its_own_spans_and_is_named(
    own_spool: Path, next_one: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    path = left_behind(own_spool, 3)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE batch SET body = x'00' WHERE id = 2")
    database.close()
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        (delivered,) = deliver(own_spool)
    assert delivered.problem == ""
    assert prompts(next_one, "session") == ["q0", "q2"]
    assert "LOST: 1 spans are damaged" in caplog.text
    lost = "1 spans lost: damaged in the spool\n"
    assert next_one.configuration["Lost spans - session"] == lost


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE stream SET info = '{{{'",
        "UPDATE stream SET info = '[]'",
        "UPDATE stream SET info = '{\"settings\": 5}'",
        "INSERT INTO label SELECT id, 0, 'no json', 'l', 0 FROM stream",
        "INSERT OR REPLACE INTO part SELECT id, 0, 'n', '{\"x\": 1}', NULL FROM stream",
    ],
)
def test_a_spool_that_is_damaged_keeps_no_other_waiting(
    own_spool: Path, next_one: ScriptedTransport, change: str
) -> None:
    damaged = left_behind(own_spool)
    with sqlite3.connect(damaged) as database:
        database.execute(change)
    database.close()
    os.utime(damaged, (0, 0))  # it comes first
    left_behind(own_spool)
    orphans.waiting([own_spool])
    spools.open(Settings())
    spools._deliver()
    assert prompts(next_one, "session") == ["q0"]
    (kept,) = [each for each in own_spool.iterdir() if each.suffix in {".spool", ".corrupt"}]
    assert kept.name.startswith(damaged.name)


def test_spans_of_which_nothing_else_is_known_are_not_deleted(
    own_spool: Path, next_one: ScriptedTransport
) -> None:
    path = left_behind(own_spool)
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM stream")
    database.close()
    assert deliver(own_spool) == []
    (delivered,) = deliver(own_spool, everything=True)
    assert delivered.problem == ""
    assert prompts(next_one, "session") == ["q0"]
    assert list(own_spool.iterdir()) == []


def test_what_is_refused_is_not_kept_for_ever(
    own_spool: Path, next_one: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    path = left_behind(own_spool, 2)
    next_one.trouble = lambda method: refused() if method == "send" else None
    spools.open(Settings())
    spools._deliver()
    assert path.exists()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE batch SET added = added - 49 * 3600 WHERE id = 1")
        database.execute("UPDATE stream SET created = created - 49 * 3600")
    database.close()
    spools._deliver()
    assert path.exists(), "a part of it is newer"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE batch SET added = added - 49 * 3600 WHERE id = 2")
    database.close()
    with caplog.at_level(logging.ERROR, "clearml_otel"):
        spools._deliver()
    assert "LOST: 2 spans, too long in the spool" in caplog.text
    assert list(own_spool.iterdir()) == []


def test_another_versions_spool_is_left_alone(
    own_spool: Path, next_one: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    path = left_behind(own_spool)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        assert deliver(own_spool) == []
    assert "version 99" in caplog.text
    assert path.exists()


@pytest.mark.parametrize("keep", [0, 1, 4_096, 9_000, 20_000, 40_000])
def test_a_truncated_file_harms_nobody(
    own_spool: Path, next_one: ScriptedTransport, keep: int
) -> None:
    path = left_behind(own_spool, 40)
    path.write_bytes(path.read_bytes()[:keep])
    deliver(own_spool)
    names = {each.suffix for each in own_spool.iterdir()}
    assert names <= {".corrupt"}
    rows = next_one.tables().get(("Session Analysis", "session"), [])
    assert len({row[1] for row in rows}) == len(rows) <= 40
