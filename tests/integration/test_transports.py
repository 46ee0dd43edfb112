"""Both transports against what they write to: the API double, and the files of a session."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from clearml_otel.clearml.events import MAX_BATCH, console, table_plots
from clearml_otel.clearml.offline import OfflineTransport
from clearml_otel.clearml.server import ServerTransport
from clearml_otel.clearml.transport import Artifact, ModelUpload, Transport, TransportError
from support.clearml_double import ClearMLDouble
from support.transport_calls import (
    ARTIFACTS,
    CODE,
    MEDIA,
    MODELS,
    ROWS,
    SPEC,
    TABLE,
    anonymous,
    expected_events,
    last_writes,
    session_events,
    some_events,
    use,
)


def test_both_transports_hold_the_same(double: ClearMLDouble, tmp_path: Path) -> None:
    server = ServerTransport(SPEC)
    offline = OfflineTransport(SPEC, folder=tmp_path)
    task_id = use(server)
    offline_id = use(offline)
    folder = offline.location

    sent = [line for r in double.requests if r.name == "events.add_batch" for line in r.body]
    written = session_events(folder)
    assert {event["task"] for event in sent} == {task_id}
    assert {event["task"] for event in written} == {offline_id}
    assert anonymous(sent) == anonymous(written) == expected_events()
    assert anonymous(double.events(task_id)) == anonymous(last_writes(written))
    assert {event["method"] for event in [*sent, *written]} == {"get"}

    there = double.tasks[task_id]
    here = json.loads((Path(folder) / "task.json").read_text())
    for field in ("name", "type", "tags", "comment", "configuration", "hyperparams"):
        assert there[field] == here[field], field
    assert there["script"] == here["script"] == CODE.as_script()
    assert double.projects[there["project"]]["name"] == here["project_name"]
    assert double.violations == []


def test_a_task_on_the_server_from_start_to_end(double: ClearMLDouble) -> None:
    server: Transport = ServerTransport(SPEC)
    assert (server.task_id, server.location) == (None, "")
    task_id = use(server)
    task = double.tasks[task_id]
    assert task["status"] == "in_progress"
    assert double.tables(task_id)[TABLE].rows == ROWS
    assert double.console(task_id) == ["line one\nline é two"]
    assert server.location == (
        f"{double.web_url}/projects/{task['project']}/tasks/{task_id}/output/log"
    )

    uris = {each["key"]: each["uri"] for each in task["execution"]["artifacts"]}
    prefix = f"{double.files_url}/"
    stored = {key: double.files[uri.removeprefix(prefix)] for key, uri in uris.items()}
    assert stored == {name: artifact.data for name, artifact in ARTIFACTS.items()}
    linked = {each["name"]: double.models[each["model"]] for each in task["models"]["output"]}
    assert linked.keys() == MODELS.keys()
    for name, model in linked.items():
        assert double.files[model["uri"].removeprefix(prefix)] == MODELS[name].data
        assert (model["name"], model["framework"], model["ready"]) == (name, "LangChain", True)
        assert model["tags"] == list(MODELS[name].tags)

    (sample,) = double.events(task_id, "training_debug_image")
    assert sample["url"] == prefix + sample["key"]
    assert double.files[sample["key"]] == MEDIA.data
    assert f".{task_id}/metrics/" in sample["key"]

    server.close("completed", "all is well")
    closed = double.tasks[task_id]
    assert (closed["status"], closed["status_message"]) == ("completed", "all is well")
    assert [request.name for request in double.requests].count("auth.login") == 1
    assert double.violations == []
    assert double.rejected == []


@pytest.mark.parametrize("status", ["completed", "failed", "stopped"])
def test_the_final_status_is_given_once(double: ClearMLDouble, status: Any) -> None:
    server = ServerTransport(SPEC)
    task_id = server.open()
    server.close(status, "first")
    server.close("completed", "second")
    task = double.tasks[task_id]
    assert (task["status"], task["status_message"]) == (status, "first")


def test_a_task_that_was_never_needed_is_not_created(double: ClearMLDouble) -> None:
    server = ServerTransport(SPEC)
    server.close("failed", "nothing happened")
    server.after_fork()
    assert double.requests == []


def test_a_late_event_still_arrives_after_closing(double: ClearMLDouble) -> None:
    server = ServerTransport(SPEC)
    task_id = server.open()
    server.close("completed")
    server.send(some_events())
    server.close("completed")
    assert double.tables(task_id)[TABLE].rows == ROWS
    assert double.tasks[task_id]["status"] == "completed"


def test_a_status_given_by_someone_else_stays(double: ClearMLDouble) -> None:
    server, user = ServerTransport(SPEC), ServerTransport(SPEC)
    task_id = server.open()
    api = _connection(user)
    api.call("tasks.stopped", task=task_id)
    api.call("tasks.publish", task=task_id, force=True)
    server.send(some_events())
    server.close("completed")
    assert double.tasks[task_id]["status"] == "published"
    assert double.tables(task_id)[TABLE].rows == ROWS
    assert double.violations == []


@pytest.mark.parametrize("status", ["stopped", "completed", "failed"])
def test_a_task_that_was_ended_meanwhile_is_gone_on_with(
    double: ClearMLDouble, status: str
) -> None:
    """ClearML stops tasks that are silent for two hours; their process died before that."""
    task_id = ServerTransport(SPEC).open()
    user = _connection(ServerTransport(SPEC))
    user.call(f"tasks.{status}", task=task_id)
    later = ServerTransport(SPEC, resume_task_id=task_id)
    later.upload_artifact(Artifact("file", "file.txt", b"kept", "text/plain"))
    assert double.tasks[task_id]["status"] == "in_progress"
    later.close("failed")
    assert double.tasks[task_id]["status"] == "failed"
    assert double.violations == []


def _connection(transport: ServerTransport) -> Any:
    """The connection of a transport, to do what an application or a user would do."""
    with transport._server.in_use() as connection:
        return connection


def _app_task(double: ClearMLDouble) -> str:
    api = _connection(ServerTransport(SPEC))
    project = api.call("projects.create", name="app project")["id"]
    task_id = api.call("tasks.create", name="app task", type="training", project=project)["id"]
    api.call("tasks.started", task=task_id)
    return str(task_id)


def test_the_applications_own_task_gets_the_tables_and_stays_open(double: ClearMLDouble) -> None:
    task_id = _app_task(double)
    before = double.tasks[task_id]
    server = ServerTransport(SPEC, attach_task_id=task_id)
    assert server.task_id == task_id
    assert use(server) == task_id
    server.close("failed", "not ours to close")

    after = double.tasks[task_id]
    untouched = ("status", "status_message", "name", "type", "tags", "comment", "script", "project")
    assert {name: after.get(name) for name in untouched} == {n: before.get(n) for n in untouched}
    assert double.tables(task_id)[TABLE].rows == ROWS
    assert {each["key"] for each in after["execution"]["artifacts"]} == ARTIFACTS.keys()
    assert {each["name"] for each in after["models"]["output"]} == MODELS.keys()
    assert after["configuration"].keys() == {"settings"}
    assert list(double.tasks) == [task_id]
    assert f"/projects/{before['project']}/tasks/{task_id}/" in server.location
    assert double.violations == []


def test_attaching_to_a_task_that_is_gone_is_one_clear_line(double: ClearMLDouble) -> None:
    server = ServerTransport(SPEC, attach_task_id="0" * 32)
    with pytest.raises(TransportError, match=r"refused tasks\.get_by_id") as caught:
        server.send(some_events())
    assert not caught.value.transient
    assert double.tasks == {}


def any_failed(futures: list[Future[str]]) -> bool:
    return any(each.done() and each.exception() for each in futures)


def test_a_project_that_many_create_at_once_is_one(double: ClearMLDouble) -> None:
    gate = threading.Event()
    fault = double.fail(r"projects\.create", hang=gate)
    transports = [ServerTransport(SPEC, timeouts=(30.0, 60.0)) for _ in range(6)]
    with ThreadPoolExecutor(len(transports)) as pool:
        opened = [pool.submit(each.open) for each in transports]
        try:
            double.wait_for(lambda: fault.hits == len(transports) or any_failed(opened), 60)
        finally:
            gate.set()
        assert len({each.result() for each in opened}) == 6
    names = [project["name"] for project in double.projects.values()]
    assert names.count(SPEC.project_name) == 1
    assert double.violations == []


@pytest.mark.parametrize("api_version", ["2.9", "2.13", "2.20", "2.23", "2.31"])
def test_older_servers(monkeypatch: pytest.MonkeyPatch, api_version: str) -> None:
    with ClearMLDouble(api_version=api_version) as double:
        double.adopt(monkeypatch)
        server = ServerTransport(SPEC)
        task_id = use(server)
        server.close("completed")
        assert double.tables(task_id)[TABLE].rows == ROWS
        ours = [each for each in double.violations if "the double's own answer" not in each.problem]
        assert ours == []
        assert double.rejected == []
        page = "tasks" if api_version == "2.31" else "experiments"
        assert f"/{page}/{task_id}/" in server.location


def test_tokens_that_end_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    with ClearMLDouble(token_seconds=1) as double:
        double.adopt(monkeypatch)
        server = ServerTransport(SPEC)
        task_id = use(server)
        server.close("completed")
        assert double.tasks[task_id]["status"] == "completed"


def test_a_token_that_is_no_longer_taken_is_renewed(double: ClearMLDouble) -> None:
    server = ServerTransport(SPEC)
    server.open()
    double.fail(r"events\.add_batch", status=401, times=1)
    server.send(some_events())
    assert [request.name for request in double.requests].count("auth.login") == 2


def test_a_large_table_and_many_lines_arrive_whole(double: ClearMLDouble) -> None:
    rows = [[number, "é" * 2_000] for number in range(2_000)]
    lines = [f"{number} " + "x" * 1_000 for number in range(4_000)]
    server = ServerTransport(SPEC)
    server.send(list(table_plots("T", "large", ["n", "text"], rows, timestamp_ms=5)))
    server.send(console(lines, timestamp_ms=5))
    assert server.task_id is not None
    tables = double.tables(server.task_id)
    pages = [tables[key].rows for key in sorted(tables)]
    assert len(pages) > 1
    assert [row for page in pages for row in page] == rows
    assert "\n".join(double.console(server.task_id)).split("\n") == lines
    bodies = [request.body for request in double.requests if request.name == "events.add_batch"]
    assert max(sum(len(json.dumps(line)) for line in body) for body in bodies) <= MAX_BATCH
    assert double.violations == []


def test_a_model_is_uploaded_once_however_often_it_is_tried(double: ClearMLDouble) -> None:
    server = ServerTransport(SPEC)
    server.open()
    model = MODELS["simple_sequential"]
    for step in ("files", r"models\.create", r"tasks\.add_or_update_model"):
        double.recover()
        double.fail(step, status=500)
        with pytest.raises(TransportError, match="failed; its log says why") as caught:
            server.upload_model(model)
        assert caught.value.transient
    double.recover()
    for _ in range(2):
        server.upload_model(model)
    assert len(double.models) == len(double.files) == 1

    server.upload_model(ModelUpload(model.name, model.file_name, b"newer"))
    assert sorted(double.files.values()) == [b"newer", model.data]
    [linked] = double.tasks[server.open()]["models"]["output"]
    assert double.models[linked["model"]]["uri"].endswith("/asset.json")
    server.upload_model(model)
    [again] = double.tasks[server.open()]["models"]["output"]
    assert again["model"] != linked["model"]
    assert len(double.models) == 2


def test_a_debug_sample_is_there_once_however_often_it_is_tried(double: ClearMLDouble) -> None:
    server = ServerTransport(SPEC)
    task_id = server.open()
    for step in ("files", r"events\.add_batch"):
        double.fail(step, status=503)
        with pytest.raises(TransportError) as caught:
            server.upload_media(MEDIA)
        assert caught.value.transient
        double.recover()
    double.fail(r"events\.add_batch", reset=True, times=1)  # taken, but the answer is lost
    with pytest.raises(TransportError):
        server.upload_media(MEDIA)
    for _ in range(2):
        server.upload_media(MEDIA)
    (sample,) = double.events(task_id, "training_debug_image")
    assert double.files == {sample["key"]: MEDIA.data}

    server.upload_media(replace(MEDIA, data=b"newer"))
    assert double.events(task_id, "training_debug_image") == [sample]
    assert double.files == {sample["key"]: b"newer"}


def test_a_bucket_as_files_server(
    double: ClearMLDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLEARML_FILES_HOST", f"file://{tmp_path}")
    server = ServerTransport(SPEC)
    server.upload_artifact(Artifact("rows", "rows.csv", b"a,b\n", "text/csv"))
    [listed] = double.tasks[server.open()]["execution"]["artifacts"]
    assert Path(listed["uri"].removeprefix("file://")).read_bytes() == b"a,b\n"


def test_requests_are_not_traced(double: ClearMLDouble) -> None:
    traced: list[bool] = []

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            traced.append(is_instrumentation_enabled())

    handler, urllib3 = Seen(), logging.getLogger("urllib3.connectionpool")
    level = urllib3.level
    urllib3.addHandler(handler)
    urllib3.setLevel(logging.DEBUG)
    try:
        server = ServerTransport(SPEC)
        use(server)
        server.close("completed")
    finally:
        urllib3.removeHandler(handler)
        urllib3.setLevel(level)
    assert len(traced) > 5
    assert not any(traced)
    assert is_instrumentation_enabled()


def test_calls_from_many_threads_make_one_task(double: ClearMLDouble) -> None:
    server = ServerTransport(SPEC)

    def work(number: int) -> None:
        server.send(
            list(table_plots("T", "v", ["n"], [[number]], iteration=number, timestamp_ms=5))
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    [task_id] = double.tasks
    assert {key[2]: t.rows for key, t in double.tables(task_id).items()} == {
        number: [[number]] for number in range(40)
    }
