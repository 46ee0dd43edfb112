"""The spool keeps what it is given, in bounds, on disk or in memory, and names what it cannot."""

from __future__ import annotations

import json
import logging
import math
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel.pipeline import spool as spool_module
from clearml_otel.pipeline import spool_folder
from clearml_otel.pipeline.destination import destination_of
from clearml_otel.pipeline.span_codec import decode, encode
from clearml_otel.pipeline.spool import FULL, OLD, Spool
from clearml_otel.pipeline.stream import Stream
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanDecodeError, SpanEvent, SpanLink, from_readable_span
from support.run_records import call
from support.traced import memory_provider

ODD: dict[str, Any] = {
    "bytes": b"\x00\xff",
    "none": None,
    "nested": {"a": (1, 2.5, {"b": b"x"}), "empty": {}},
    "mixed": ("a", 1, None, True),
    "huge": 10**30,
    "surrogate": "\ud800 naïve 😀",
    "infinite": math.inf,
    "zero": -0.0,
}


def new(folder: Path, **keywords: Any) -> Spool:
    return Spool(str(folder), **{"max_bytes": 10**8, "max_age_s": 10**5, **keywords})


def bodies(spool: Spool, part: int = 0) -> list[bytes]:
    return [body for _, body in spool.bodies("s", part)]


# -- encoding ----------------------------------------------------------------------------


def test_records_come_back_as_they_were() -> None:
    record = replace(
        call("q", 1, **ODD),
        parent_span_id="00000000000000ff",
        parent_is_remote=True,
        kind="client",
        status="error",
        status_description="why",
        events=(SpanEvent("e", 5, ODD, 1),),
        links=(SpanLink("0" * 31 + "1", "0" * 15 + "2", ODD, 2),),
        resource={"service.name": "s", **ODD},
        scope_version="1",
        trace_state="a=b",
        dropped_attributes=1,
        dropped_events=2,
        dropped_links=3,
    )
    unended = replace(call("r", 3), end_time_ns=None)
    body, faults = encode([record, unended])
    assert (decode(body), faults) == ([record, unended], [])


def test_spans_of_the_sdk_come_back_as_their_records() -> None:
    provider, exporter = memory_provider()
    tracer = provider.get_tracer("scope", "1")
    with tracer.start_as_current_span("parent", attributes={"a": "1", "l": [1, 2]}) as span:
        span.add_event("e", {"k": b"bytes"})
        with tracer.start_as_current_span("child"):
            pass
    spans = exporter.get_finished_spans()
    assert decode(encode(spans)[0]) == [from_readable_span(each) for each in spans]


def test_nan_comes_back() -> None:
    (record,) = decode(encode([call("q", 1, odd=math.nan)])[0])
    assert math.isnan(record.attributes["odd"])  # type: ignore[arg-type]


def test_a_span_that_cannot_be_written_costs_itself_only() -> None:
    deep: Any = ()
    for _ in range(100_000):
        deep = (deep,)
    bad = call("bad", 3, deep=deep)
    body, faults = encode([call("a", 1), bad, call("b", 5)])
    assert [record.name for record in decode(body)] == ["Echo", "Echo"]
    (fault,) = faults
    assert "RecursionError" in fault


def test_what_the_sdk_does_not_check_costs_no_span() -> None:
    """Neither its own span nor the hundreds that are written down with it."""
    provider, exporter = memory_provider()
    tracer: Any = provider.get_tracer("scope")
    for kind in (1, None, "client"):
        tracer.start_span("kind", kind=kind).end()
    odd = tracer.start_span(123, start_time=1.5e18)
    odd.add_event(None, timestamp=1.5e18)
    odd.end(end_time=2**80)
    tracer.start_span("before time", start_time=-5).end()
    *kinds, taken, early = exporter.get_finished_spans()
    body, faults = encode([*kinds, taken, early])
    assert faults == []
    *kinds, record, early = decode(body)
    assert [each.kind for each in kinds] == ["internal"] * 3
    assert (record.name, record.start_time_ns, record.end_time_ns) == (
        "123",
        15 * 10**17,
        2**64 - 1,
    )
    assert (record.events[0].name, record.events[0].time_ns) == ("None", 15 * 10**17)
    assert type(record.start_time_ns) is int
    assert early.start_time_ns == 0


def test_an_error_of_whatever_kind_costs_one_span() -> None:
    class Broken(dict[str, Any]):
        def __iter__(self) -> Any:
            raise LookupError("broken")

        def copy(self) -> Any:
            raise LookupError("broken")

    bad = replace(call("bad", 3), attributes=Broken())
    body, (fault,) = encode([call("a", 1), bad, call("b", 5)])
    assert len(decode(body)) == 2
    assert "LookupError: broken" in fault


@pytest.mark.parametrize("body", [b"", b"nonsense", encode([call("a", 1)])[0][:-5]])
def test_damaged_bytes_are_said_to_be(body: bytes) -> None:
    with pytest.raises(SpanDecodeError):
        decode(body)


# -- files -------------------------------------------------------------------------------


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    spool = new(tmp_path / "new" / "folder")
    spool.append("s", 0, b"body", 1)
    folder = tmp_path / "new" / "folder"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(list(folder.iterdir())) >= 2
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    spool.close()


def test_a_folder_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    spool = new(folder)
    spool.append("s", 0, b"body", 1)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    spool.close()


KILLED = """
import os, signal, sys
from clearml_otel.pipeline.spool import Spool
spool = Spool(sys.argv[1], max_bytes=10**9, max_age_s=10**5)
spool.set_stream("s", {})
for number in range(300):
    spool.append("s", 0, b"body %d" % number, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_process_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], timeout=60, check=False)
    (path,) = spool_folder.spools(tmp_path)
    ownership = spool_folder.own(path)
    assert ownership is not None
    file = spool_module.SpoolFile(path)
    assert [body for _, body in file.bodies("s", 0)] == [b"body %d" % n for n in range(300)]
    file.close()
    ownership.release()


# -- bounds ------------------------------------------------------------------------------


def test_the_oldest_make_room_and_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = new(tmp_path, max_bytes=20_000_000)
    with caplog.at_level(logging.ERROR, "clearml_otel"):
        for number in range(60):
            spool.append("s", 0, bytes([number]) * 1_000_000, 10)
    left = bodies(spool)
    assert [body[0] for body in left] == list(range(60 - len(left), 60))
    assert 15 <= len(left) <= 22
    assert spool.losses("s", 0) == {FULL: 10 * (60 - len(left))}
    (line,) = [each.getMessage() for each in caplog.records]
    assert "LOST" in line
    assert "SPOOL_MAX_MB" in line
    spool.drop_stream("s")
    spool.close()


def test_what_is_too_old_goes_and_is_named(tmp_path: Path) -> None:
    spool = new(tmp_path, max_age_s=-1.0)
    spool.append("s", 3, b"old", 7)
    spool.maintain()
    assert bodies(spool, 3) == []
    assert spool.losses("s", 3) == {OLD: 7}
    spool.drop_stream("s")
    spool.close()


# -- no disk -----------------------------------------------------------------------------


def test_without_a_folder_spans_are_in_memory_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(blocked))
    spool = new(blocked)
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        for number in range(3):
            spool.append("s", 0, b"%d" % number, 1)
    assert bodies(spool) == [b"0", b"1", b"2"]
    (line,) = [each.getMessage() for each in caplog.records]
    assert "kept in memory" in line
    assert "SPOOL_FOLDER" in line
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        spool.set_stream("s", {})
        spool.close()
    assert "LOST: 3 spans" in caplog.text


def test_the_folder_for_temporary_files_is_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = new(blocked)
    spool.append("s", 0, b"body", 1)
    assert spool.path is not None
    assert spool.path.parent == spool.folders[1]
    assert bodies(spool) == [b"body"]
    spool.close()


def test_a_folder_or_link_that_somebody_else_made_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the folder for temporary files, where anybody may make one of our name."""
    ours = tmp_path / "ours"
    ours.mkdir()
    link = tmp_path / "link"
    link.symlink_to(ours)
    spool_folder.make_folder(link)
    stranger = SimpleNamespace(st_uid=os.getuid() + 1, st_mode=0o40700)
    monkeypatch.setattr(Path, "lstat", lambda _: stranger)
    with pytest.raises(OSError, match="belongs to another user"):
        spool_folder.make_folder(link)


def test_without_a_home_there_is_no_folder_below_the_current_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool_folder, "user_state_path", lambda *_, **__: Path("~/.local/state"))
    assert [each.is_absolute() for each in spool_folder.candidates("")] == [True]


def test_a_full_disk_is_bridged_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_RETRY_DISK_S", 0.0)
    spool = new(tmp_path)
    spool.set_stream("s", {"settings": {}})
    spool.append("s", 0, b"on disk", 1)
    assert spool._disk is not None
    # SQLite itself says so, as it does when the file system is full
    spool._disk._database.execute("PRAGMA max_page_count = 1")
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        spool.append("s", 0, b"x" * 200_000, 2)
        spool.append("s", 1, b"y" * 200_000, 3)
    assert "full" in caplog.text
    assert bodies(spool) == [b"on disk", b"x" * 200_000]
    assert bodies(spool, 1) == [b"y" * 200_000]
    spool._disk._database.execute("PRAGMA max_page_count = 100000")
    spool.maintain()
    assert spool._memory is not None
    assert spool._memory.waiting() == {}
    assert bodies(spool) == [b"on disk", b"x" * 200_000]
    spool.close()
    assert len(spool_folder.spools(tmp_path)) == 1


def test_a_spool_that_is_closed_while_it_is_read_has_lost_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a program that ends while its tables are being made."""
    spool = new(tmp_path)
    spool.set_stream("s", {})
    for number in range(3):
        spool.append("s", 0, b"%d" % number, 1)
    found = spool.bodies("s", 0)
    assert next(found) == (1, b"0")
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        spool.close()
        assert list(found) == []
    assert caplog.text == ""
    (path,) = spool_folder.spools(tmp_path)
    file = spool_module.SpoolFile(path)
    assert [body for _, body in file.bodies("s", 0)] == [b"0", b"1", b"2"]
    file.close()


def test_streams_that_are_done_leave_nothing_in_memory(tmp_path: Path) -> None:
    """A service may make a handler for each request."""
    spool = new(tmp_path)
    for name in ("a", "b"):
        spool.set_stream(name, {})
        spool.append(name, 0, b"x", 1)
        spool.drop_stream(name)
    assert (spool._finished, spool._infos) == (set(), {})
    spool.close()
    assert spool_folder.spools(tmp_path) == []


def test_off_means_no_file(tmp_path: Path) -> None:
    spool = new(tmp_path, on_disk=False)
    spool.append("s", 0, b"body", 1)
    assert bodies(spool) == [b"body"]
    assert list(tmp_path.iterdir()) == []
    spool.close()


def test_nothing_of_the_credentials_is_in_a_spool(
    own_spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearml_otel import ClearMLSpanProcessor

    monkeypatch.setenv("CLEARML_API_SECRET_KEY", "very-secret")
    monkeypatch.setenv("CLEARML_API_ACCESS_KEY", "rather-secret")
    monkeypatch.setenv("CLEARML_API_HOST", "http://me:secret@127.0.0.1:1/api")
    processor = ClearMLSpanProcessor(task_name="a task", shutdown_timeout_s=0.0)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("t").start_span("s").end()
    processor.tracker.write()
    (path,) = spool_folder.spools(own_spool)
    held = b"".join(each.read_bytes() for each in own_spool.iterdir())
    assert json.dumps("a task").encode() in held or b"a task" in held
    assert b"secret" not in held
    assert b"http://127.0.0.1:1/api" in held
    assert path.exists()
    provider.shutdown()


def test_spans_are_kept_where_there_is_no_home(
    own_spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home(_: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("CLEARML_API_HOST", raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_home)
    spool = new(own_spool)
    stream = Stream(spool, lambda: {"destination": destination_of(Settings())})
    stream.add(call("q", 1), 100)
    stream.write()
    assert [record.name for record in stream.records(0)] == ["Echo"]
    stream.close()
    spool.close()


def test_what_a_full_disk_does_not_let_go_of_is_not_left_to_the_next_process(
    tmp_path: Path,
) -> None:
    spool = new(tmp_path)
    spool.set_stream("s", {})
    spool.append("s", 0, b"in ClearML", 1)
    assert spool._disk is not None
    spool._disk._database.execute("PRAGMA query_only = 1")
    spool.drop_stream("s")
    assert not spool.waits
    spool.close()
    assert list(tmp_path.iterdir()) == []


# -- parts that go on --------------------------------------------------------------------


@pytest.mark.parametrize("on_disk", [True, False])
def test_spans_of_some_traces_go_on_in_the_next_part(tmp_path: Path, on_disk: bool) -> None:
    spool = Spool(str(tmp_path), on_disk=on_disk, max_bytes=10**9, max_age_s=1e6)
    stream = Stream(spool, dict)
    for number in range(1_200):
        stream.add(call(f"q{number}", 1 + 2 * number, trace=number % 3), 10**6)
    stream.write()
    # what is damaged stays where its publication names it
    spool.append(stream.id, 0, b"damaged", 7)
    part = stream.end_part(400)
    assert (part, stream.spans) == (0, 400)
    stream.carry(0, {f"{1:032x}"})
    # done again, after a failure, it finds nothing more to do
    stream.carry(0, {f"{1:032x}"})
    found = {number: [record.trace_id for record in stream.records(number)] for number in (0, 1)}
    assert found[1] == [f"{1:032x}"] * 400
    assert sorted(found[0]) == sorted(f"{trace:032x}" for trace in (0, 2) for _ in range(400))
    assert stream.losses(0) == {"damaged in the spool": 7}
    assert stream.losses(1) == {}
    spool.close()
