from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.clearml.code import CodeInfo
from clearml_otel.clearml.events import console, scalar, table_plots
from clearml_otel.clearml.offline import OfflineTransport
from clearml_otel.clearml.sessions import read_session
from clearml_otel.clearml.transport import (
    Artifact,
    Event,
    Media,
    ModelUpload,
    TaskSpec,
    Transport,
    TransportError,
)

SPEC = TaskSpec("demo project", "my task", tags=("one", "two"), comment="a comment")


def table(text: str = "x", iteration: int = 0) -> list[Event]:
    plots = table_plots(
        "Action Records", "first", ["a"], [[text]], iteration=iteration, timestamp_ms=5
    )
    return list(plots)


def lines(folder: str, name: str) -> list[list[dict[str, Any]]]:
    return [json.loads(line) for line in (Path(folder) / name).read_text().splitlines()]


def task(folder: str | Path) -> dict[str, Any]:
    return json.loads((Path(folder) / "task.json").read_text())


@pytest.fixture
def transport(tmp_path: Path) -> OfflineTransport:
    return OfflineTransport(SPEC, folder=tmp_path / "offline")


def test_it_is_a_transport(transport: OfflineTransport) -> None:
    as_transport: Transport = transport
    assert as_transport.task_id is None
    assert as_transport.location == ""


def test_a_session_has_clearmls_layout(transport: OfflineTransport) -> None:
    task_id = transport.open()
    assert re.fullmatch("offline-[0-9a-f]{32}", task_id)
    assert (transport.open(), transport.task_id) == (task_id, task_id)
    folder = transport.location
    point = scalar("Latency", "llm", 1.5, iteration=3, timestamp_ms=6)
    assert point is not None
    transport.send([*console(["line"], timestamp_ms=7, worker="host"), *table(), point])
    transport.send(table("y"))

    [plots, later] = lines(folder, "metrics.jsonl")
    address = {"task": task_id, "method": "get"}
    assert plots == [{**table()[0], **address}, {**point, **address}]
    assert later[0]["plot_str"] == table("y")[0]["plot_str"]
    assert lines(folder, "log.jsonl") == [
        [
            {
                "type": "log",
                "level": "info",
                "worker": "host",
                "msg": "line",
                "timestamp": 7,
                **address,
            }
        ]
    ]
    described = task(folder)
    assert {name: described[name] for name in ("id", "name", "project_name", "type", "tags")} == {
        "id": task_id,
        "name": "my task",
        "project_name": "demo project",
        "type": "inference",
        "tags": ["one", "two"],
    }
    assert (described["comment"], described["status"]) == ("a comment", "in_progress")
    assert described["offline_folder"] == folder


def test_the_task_is_described(transport: OfflineTransport) -> None:
    transport.set_configuration("settings", "x = 1")
    transport.set_configuration("settings", "x = 2")
    transport.set_configuration("oth\0er", "\ud800")
    transport.set_parameters("Args", {"model": "a"})
    transport.set_parameters("Args", {"top_p": "1"})
    transport.set_code(CodeInfo(repository="r", requirements_pip="a == 1"))
    described = task(transport.location)
    assert described["configuration"] == {
        "settings": {"name": "settings", "value": "x = 2"},
        # the database of the server that it will be imported into has no field of such a name
        "oth\ufffder": {"name": "oth\ufffder", "value": "\ufffd"},
    }
    assert described["hyperparams"]["Args"] == {
        name: {"section": "Args", "name": name, "value": value, "type": "str"}
        for name, value in (("model", "a"), ("top_p", "1"))
    }
    assert described["script"]["repository"] == "r"
    assert described["script"]["requirements"]["pip"] == "a == 1"


def test_artifacts_lie_under_data_and_replace_those_of_their_name(
    transport: OfflineTransport,
) -> None:
    transport.upload_artifact(Artifact("my table", "t.csv", b"old", "text/csv"))
    transport.upload_artifact(Artifact("my table", "t.csv", b"a,b\n", "text/csv", "preview"))
    transport.upload_artifact(Artifact("../../evil", "/../passwd", b"x", "text/plain"))
    [first, second] = task(transport.location)["execution"]["artifacts"]
    assert (first["key"], first["content_size"], first["mode"]) == ("my table", 4, "output")
    assert first["type_data"] == {"content_type": "text/csv", "preview": "preview"}
    assert Path(first["uri"]).read_bytes() == b"a,b\n"
    data = Path(transport.location) / "data"
    for entry in (first, second):
        path = Path(entry["uri"]).resolve()
        assert data in path.parents
        assert f".{transport.task_id}/artifacts/" in str(path)


def test_debug_samples_lie_under_data_where_an_import_looks_for_them(
    transport: OfflineTransport,
) -> None:
    names = ("a title", "../../evil/\ud800", 4, "/../page.html")
    transport.upload_media(Media(*names, b"old", "text/html", 5))
    transport.upload_media(Media(*names, b"<p>", "text/html", 5))
    folder = Path(transport.location)
    [first], [second] = lines(transport.location, "metrics.jsonl")
    assert first == second, "a server keeps one of them"
    assert (first["type"], first["method"]) == ("training_debug_image", "get")
    assert (first["metric"], first["variant"]) == ("a title", "../../evil/\ufffd")
    assert (first["iter"], first["timestamp"], first["task"]) == (4, 5, transport.task_id)
    path = folder.joinpath("data", *first["key"].split("/"))
    assert path.resolve() == path == Path(first["url"])
    assert path.read_bytes() == b"<p>"
    assert path.suffix == ".html"
    assert f".{transport.task_id}/metrics/" in first["key"]
    transport.close("completed")
    with zipfile.ZipFile(transport.location) as archive:
        assert f"data/{first['key']}" in archive.namelist()


def test_models_of_equal_file_names_do_not_meet(transport: OfflineTransport) -> None:
    transport.upload_model(ModelUpload("Agent with Tools", "asset.json", b"1", tags=("t",)))
    transport.upload_model(ModelUpload("simple_sequential", "asset.json", b"2"))
    before = task(transport.location)["offline_output_models"]
    transport.upload_model(ModelUpload("Agent with Tools", "asset.json", b"3"))
    models = {each["init"]["name"]: each for each in task(transport.location)[MODELS]}
    assert set(models) == {"Agent with Tools", "simple_sequential"}
    weights = {name: each["weights"] for name, each in models.items()}
    assert Path(weights["Agent with Tools"]["weights_filename"]).read_bytes() == b"3"
    assert Path(weights["simple_sequential"]["weights_filename"]).read_bytes() == b"2"
    assert weights["Agent with Tools"]["target_filename"] == "Agent with Tools.json"
    assert models["Agent with Tools"]["id"] == before[0]["id"]
    assert not {"config_text", "config_dict"} & models["Agent with Tools"]["init"].keys()
    artifacts = {each["key"]: each for each in task(transport.location)["execution"]["artifacts"]}
    assert Path(artifacts["model Agent with Tools"]["uri"]).read_bytes() == b"3"


MODELS = "offline_output_models"


@pytest.mark.parametrize("status", ["completed", "failed", "stopped"])
def test_closing_keeps_the_status_and_packs_the_session(
    transport: OfflineTransport, status: Any
) -> None:
    transport.send([*table(), *console(["line"], timestamp_ms=5)])
    transport.upload_artifact(Artifact("a", "a.txt", b"data", "text/plain"))
    folder = transport.location
    transport.close(status, "the reason")
    assert transport.location == f"{folder}.zip"
    with zipfile.ZipFile(transport.location) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert packed == {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    described = task(folder)
    assert (described["status"], described["status_message"]) == (status, "the reason")


def test_closing_twice_is_harmless_and_late_events_are_packed_too(
    transport: OfflineTransport,
) -> None:
    transport.send(table())
    transport.close("failed", "first")
    before = Path(transport.location).read_bytes()
    transport.close("completed", "second")
    assert Path(transport.location).read_bytes() == before
    transport.send(table("late", iteration=1))
    transport.close("completed")
    session = read_session(Path(transport.location))
    assert [each.rows for each in session.tables()] == [[["x"]], [["late"]]]
    assert session.task["status_message"] == "first"


def test_a_session_that_was_never_opened_leaves_nothing(
    transport: OfflineTransport, tmp_path: Path
) -> None:
    transport.ping()
    transport.close("completed")
    assert list(tmp_path.iterdir()) == []


def test_everything_is_private(transport: OfflineTransport, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        transport.send([*table(), *console(["line"], timestamp_ms=5)])
        transport.upload_artifact(Artifact("a", "a.txt", b"data", "text/plain"))
        transport.upload_model(ModelUpload("model", "m.json", b"{}"))
        transport.upload_media(Media("t", "s", 0, "p.html", b"", "text/html", 5))
        transport.close("completed")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert modes == {0o600}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_dir()}
    assert folders == {0o700}
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


def test_the_default_place_is_clearmls_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML_CACHE_DIR", "$PLACE/cache")
    monkeypatch.setenv("PLACE", str(tmp_path))
    transport = OfflineTransport(SPEC)
    task_id = transport.open()
    assert transport.location == str(tmp_path / "cache" / "offline" / task_id)


@pytest.mark.parametrize("place", ["a file", "a file/below"])
def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").touch()
    transport = OfflineTransport(SPEC, folder=tmp_path / place)
    for call in (transport.open, lambda: transport.send(table())):
        with pytest.raises(TransportError) as caught:
            call()
        assert str(tmp_path / place) in str(caught.value)
        assert "CLEARML_CACHE_DIR" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not caught.value.transient
    assert transport.location == ""
    transport.close("failed")


def test_a_session_folder_that_vanished_is_an_error(transport: OfflineTransport) -> None:
    transport.send(table())
    folder = Path(transport.location)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(TransportError, match="cannot write the offline session"):
        transport.send(table())


def test_an_event_that_is_no_json_is_an_error(transport: OfflineTransport) -> None:
    with pytest.raises(TransportError, match="could not write the offline session: ValueError"):
        transport.send([{"type": "plot", "plot_str": float("nan")}])
    transport.send(table())
    assert len(lines(transport.location, "metrics.jsonl")) == 1


def test_after_a_torn_line_what_follows_is_readable(transport: OfflineTransport) -> None:
    transport.send(table())
    path = Path(transport.location) / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    transport.send(table("y"))
    torn, whole = path.read_text().splitlines()
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(torn)
    assert json.loads(whole)[0]["plot_str"] == table("y")[0]["plot_str"]


def test_attached_to_a_session_of_the_sdk_it_only_adds(tmp_path: Path) -> None:
    folder = tmp_path / "offline-1"
    folder.mkdir()
    (folder / "task.json").write_text(
        json.dumps({"id": "offline-1", "name": "theirs", "project_name": "p", "script": {"a": 1}})
    )
    (folder / "metrics.jsonl").write_text('[{"type": "plot", "task": "offline-1"}]\n')
    transport = OfflineTransport(SPEC, attach_folder=folder)
    assert transport.open() == "offline-1"
    transport.send([*table(), *console(["line"], timestamp_ms=5)])
    transport.set_code(CodeInfo(repository="ours"))
    transport.set_configuration("settings", "x = 1")
    transport.upload_artifact(Artifact("a", "a.txt", b"data", "text/plain"))
    transport.upload_model(ModelUpload("model", "m.json", b"{}"))
    transport.close("failed", "not ours to close")
    assert transport.location == str(folder)
    described = task(folder)
    assert (described["name"], described["script"]) == ("theirs", {"a": 1})
    assert "status" not in described
    assert [each["key"] for each in described["execution"]["artifacts"]] == ["a", "model model"]
    assert len(lines(str(folder), "metrics.jsonl")) == 2
    assert not (tmp_path / "offline-1.zip").exists()


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"id'])
def test_attaching_to_no_session_is_one_clear_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "task.json").write_text(content)
    transport = OfflineTransport(SPEC, attach_folder=tmp_path)
    with pytest.raises(TransportError) as caught:
        transport.open()
    assert "offline session" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_calls_from_many_threads_are_kept_apart(transport: OfflineTransport) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def work(number: int) -> str:
        transport.send(table("z" * 1_000, iteration=number))
        transport.set_parameters("Args", {f"p{number}": "v"})
        return transport.open()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(work, range(64)))) == 1
    session = read_session(Path(transport.location))
    assert len(session.tables()) == 64
    assert len(session.task["hyperparams"]["Args"]) == 64
