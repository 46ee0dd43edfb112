"""What the server transport says of a server that fails, and what it does once it recovers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.clearml.server import ServerTransport
from clearml_otel.clearml.transport import Artifact, TaskSpec, TransportError
from support.clearml_double import ClearMLDouble
from support.clearml_double.http_server import HttpRequest, LoopbackServer, Reply
from support.transport_calls import ARTIFACTS, ROWS, SPEC, TABLE, some_events

TESTS = Path(__file__).parents[1]

PATIENT = (10.0, 30.0)
IMPATIENT = (10.0, 2.0)
"""Seconds, for the tests in which the server hangs."""

FAULTS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "short": ({"short_added": 1}, r"took \d of \d events of task", True),
    "400": ({"status": 400, "subcode": 12}, r"refused .* \(400/12\): injected fault", False),
    "401": ({"status": 401}, "refused the credentials .* set CLEARML_API_ACCESS_KEY", True),
    "403": ({"status": 403}, "refused the credentials", True),
    "413": ({"status": 413}, r"refused .* \(413/0\)", False),
    "429": ({"status": 429}, r"gets too many requests \(429", True),
    "500": ({"status": 500}, r"failed; its log says why \(500: injected fault\)", True),
    "502": ({"status": 502, "html": True}, r"failed; its log says why \(502\)", True),
    "503": ({"status": 503}, r"failed; its log says why \(503", True),
    "504": ({"status": 504}, r"failed; its log says why \(504", True),
    "html": ({"html": True}, "answered 200 with a web page .* check that CLEARML_API_HOST", True),
    "hang": ({"hang": True}, r"gave no answer within 2 s; check that it is up", True),
    "reset": ({"reset": True}, "broke the connection; check that it is up", True),
}

STEPS = (r"auth\.login", r"projects\.get_all", r"tasks\.started", r"events\.add_batch")


def new_transport(fault: str = "", spec: TaskSpec = SPEC) -> ServerTransport:
    return ServerTransport(spec, timeouts=IMPATIENT if fault == "hang" else PATIENT)


def error_of(double: ClearMLDouble, transport: ServerTransport) -> TransportError:
    """The error of sending: one line, without a secret."""
    with pytest.raises(TransportError) as caught:
        transport.send(some_events())
    message = str(caught.value)
    assert "\n" not in message
    assert double.accounts.secret_key not in message
    assert double.accounts.access_key not in message
    return caught.value


@pytest.mark.parametrize("name", FAULTS)
def test_each_failure_is_one_clear_line_and_ends_with_it(double: ClearMLDouble, name: str) -> None:
    fault, message, transient = FAULTS[name]
    double.fail(r"events\.add_batch", **fault)
    transport = new_transport(name)
    error = error_of(double, transport)
    assert re.search(message, str(error))
    assert error.transient is transient

    double.recover()
    transport.send(some_events())
    transport.close("completed")
    [task_id] = double.tasks
    assert double.tables(task_id)[TABLE].rows == ROWS
    assert double.tasks[task_id]["status"] == "completed"
    assert double.violations == []


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", ["401", "500", "html", "hang"])
def test_every_step_may_fail_and_be_repeated(double: ClearMLDouble, step: str, name: str) -> None:
    fault, message, _ = FAULTS[name]
    double.fail(step, **fault)
    transport = new_transport(name)
    error = error_of(double, transport)
    assert error.transient
    assert re.search(message, str(error))
    double.recover()
    transport.send(some_events())
    transport.close("completed")
    [task] = double.tasks.values()
    assert task["status"] == "completed"
    assert double.tables(task["id"])[TABLE].rows == ROWS


def test_console_output_is_not_doubled_by_a_repeated_call(double: ClearMLDouble) -> None:
    from clearml_otel.clearml.events import console

    lines = [f"{number} " + "x" * 1_000_000 for number in range(24)]
    events = [*some_events(), *console(lines, timestamp_ms=5)]
    transport = new_transport()
    for skip in (2, 1):
        double.recover()
        double.fail(r"events\.add_batch", status=500, skip=skip)
        with pytest.raises(TransportError):
            transport.send(events)
    double.recover()
    transport.send(events)
    messages = double.console(transport.open())
    assert sorted(messages) == sorted(e["msg"] for e in events if e["type"] == "log")


@pytest.mark.parametrize("name", ["401", "500", "html", "hang", "reset"])
def test_an_upload_may_fail_and_be_repeated(double: ClearMLDouble, name: str) -> None:
    fault, _, _ = FAULTS[name]
    transport = new_transport(name)
    transport.open()
    artifact = ARTIFACTS["all rows"]
    double.fail("files", **fault)
    with pytest.raises(TransportError) as caught:
        transport.upload_artifact(artifact)
    assert caught.value.transient
    assert double.tasks[transport.open()]["execution"].get("artifacts") in (None, [])
    double.recover()
    transport.upload_artifact(artifact)
    assert list(double.files.values()) == [artifact.data]
    assert len(double.tasks[transport.open()]["execution"]["artifacts"]) == 1


def test_a_server_that_is_down_and_comes_back(double: ClearMLDouble) -> None:
    transport = new_transport()
    with double.down():
        error = error_of(double, transport)
        assert "refuses connections; check that it is up" in str(error)
        assert error.transient
    transport.send(some_events())
    with double.down(), pytest.raises(TransportError, match="refuses connections"):
        transport.close("completed")
    transport.close("completed")
    assert double.task_by_name(SPEC.task_name)["status"] == "completed"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"CLEARML_API_SECRET_KEY": "wrong"}, r"refused the credentials \(auth\.login, 401\)"),
        (
            {"CLEARML_API_SECRET_KEY": "", "CLEARML_API_ACCESS_KEY": ""},
            "run `clearml-init`, or set CLEARML_API_HOST, .*SECRET_KEY, or CLEARML_OFFLINE_MODE=1",
        ),
        ({"CLEARML_API_HOST": "http://127.0.0.1:1"}, r"127\.0\.0\.1:1 refuses connections"),
        ({"CLEARML_API_HOST": "http://no.invalid:8008"}, "no.invalid:8008 has an unknown name"),
        ({"CLEARML_API_HOST": "localhost:8008"}, "set CLEARML_API_HOST to one such as http://"),
        ({"CLEARML_API_HOST": "http://me:pa55@127.0.0.1:1"}, r"server 127\.0\.0\.1:1 refuses"),
    ],
)
def test_a_wrong_configuration_is_a_clear_line_and_may_be_repaired(
    double: ClearMLDouble,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    message: str,
) -> None:
    transport = new_transport()
    with monkeypatch.context() as wrong:
        for name, value in variables.items():
            wrong.setenv(name, value)
        error = error_of(double, transport)
        assert re.search(message, str(error))
        assert "pa55" not in str(error)
        assert error.transient
    transport.send(some_events())
    assert double.violations == []


@pytest.mark.parametrize("kind", ["web", "files", "tls"])
def test_a_wrong_port_is_a_clear_line(
    double: ClearMLDouble, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    secure = double.api_url.replace("http:", "https:")
    url = {"web": double.web_url, "files": double.files_url, "tls": secure}[kind]
    monkeypatch.setenv("CLEARML_API_HOST", url)
    message = str(error_of(double, new_transport()))
    assert "CLEARML_API_HOST" in message
    assert ("speaks no TLS" in message) is (kind == "tls")
    assert ("not 8080 or 8081" in message) is (kind != "tls")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_server_that_sends_requests_elsewhere_is_a_clear_line(
    double: ClearMLDouble, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The body of a request, or its credentials, would be lost on the way."""

    def elsewhere(request: HttpRequest) -> Reply:
        return Reply(status, b"", headers={"Location": double.api_url + request.path})

    server = LoopbackServer(elsewhere)
    monkeypatch.setenv("CLEARML_API_HOST", server.url)
    error = error_of(double, new_transport())
    server.stop()
    assert f"sends requests on to {double.api_url.removeprefix('http://')}" in str(error)
    assert "set CLEARML_API_HOST" in str(error)
    assert error.transient


def test_a_configuration_file_is_read_when_it_is_needed(
    double: ClearMLDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "clearml.conf"
    monkeypatch.setenv("CLEARML_CONFIG_FILE", str(path))
    for name in ("CLEARML_API_HOST", "CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"):
        monkeypatch.delenv(name)
    transport = new_transport()
    assert "has no credentials here" in str(error_of(double, transport))
    path.write_text("api { api_server: [ \n }}}")
    assert "clearml.conf cannot be read" in str(error_of(double, transport))
    path.write_text(
        f"""api {{
            api_server: "{double.api_url}"
            credentials {{
                "access_key" = "{double.accounts.access_key}"
                "secret_key" = "{double.accounts.secret_key}"
            }}
        }}"""
    )
    transport.send(some_events())
    assert double.tables(transport.open())[TABLE].rows == ROWS


@pytest.mark.parametrize(
    ("spec", "endpoint"),
    [
        (TaskSpec("demo project", "ab"), "tasks.create"),
        (TaskSpec("ab", "my task"), "projects.create"),
    ],
)
def test_names_that_are_too_short_are_a_clear_line(
    double: ClearMLDouble, spec: TaskSpec, endpoint: str
) -> None:
    error = error_of(double, new_transport(spec=spec))
    assert f"refused {endpoint} (400/800)" in str(error)
    assert str(error).endswith("names need three characters or more")
    assert not error.transient
    assert double.tasks == {}


def delete(transport: ServerTransport, task_id: str) -> None:
    with transport._server.in_use() as api:
        api.call("tasks.delete", task=task_id, force=True)


@pytest.mark.parametrize(
    "write",
    [
        lambda transport: transport.send(some_events()),
        lambda transport: transport.upload_artifact(Artifact("a", "a.csv", b"x", "text/csv")),
        lambda transport: transport.set_configuration("a", "text"),
    ],
    ids=["events", "artifact", "configuration"],
)
def test_a_task_that_was_deleted_is_a_clear_line_and_made_anew(
    double: ClearMLDouble, write: Callable[[ServerTransport], None]
) -> None:
    """A service that runs for months outlives the tasks that somebody cleans up."""
    transport = new_transport()
    task_id = transport.open()
    delete(transport, task_id)
    with pytest.raises(TransportError, match=f"{task_id} was deleted") as caught:
        write(transport)
    assert caught.value.transient
    write(transport)
    assert list(double.tasks) == [transport.task_id]
    assert transport.task_id != task_id


def test_an_applications_own_task_that_was_deleted_is_not_made_anew(double: ClearMLDouble) -> None:
    task_id = new_transport().open()
    transport = ServerTransport(SPEC, attach_task_id=task_id, timeouts=PATIENT)
    transport.open()
    delete(transport, task_id)
    error = error_of(double, transport)
    assert task_id in str(error)
    assert not error.transient
    assert double.tasks == {}


POSTING = """
import sys, time
from clearml_otel.clearml.server import ServerTransport
from clearml_otel.clearml.transport import TransportError
from support.transport_calls import SPEC, some_events
started = time.monotonic()
try:
    ServerTransport(SPEC).send(some_events())
except TransportError as error:
    print(error, file=sys.stderr)
assert time.monotonic() - started < 60
"""


def test_a_busy_server_is_given_up_with_post_requests_too(double: ClearMLDouble) -> None:
    """ClearML's own session would repeat such a request for ever."""
    double.fail(r"events\.add_batch", status=503)
    done = subprocess.run(
        [sys.executable, "-c", POSTING],
        env=double.client_environ(PYTHONPATH=str(TESTS), CLEARML_API_DEFAULT_REQ_METHOD="POST"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done
    [line] = done.stderr.splitlines()
    assert "failed; its log says why (503" in line
    posted = [request for request in double.requests if request.name == "events.add_batch"]
    assert {request.method for request in posted} == {"POST"}
    assert len(posted) == 3
