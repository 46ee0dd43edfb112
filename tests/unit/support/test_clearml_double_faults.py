"""Each fault of the double as the real SDK sees it, and credentials."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from support.clearml_double import ClearMLDouble
from support.clearml_double.sample_events import log_event, table_event

NewSession = Callable[..., Any]


def send_batch(session: Any, *events: Any) -> Any:
    from clearml.backend_api.services.v2_23.events import AddBatchRequest

    return session.send(AddBatchRequest(requests=list(events)))


@pytest.mark.parametrize("status", [400, 403, 404, 413, 500, 504])
def test_a_status_reaches_the_caller_and_nothing_is_stored(
    double: ClearMLDouble, session: Any, running_task: str, status: int
) -> None:
    double.fail("events.add_batch", status=status, subcode=7, message="no room")
    meta = send_batch(session, log_event(running_task, "line")).meta
    assert (meta.result_code, meta.result_subcode, meta.result_msg) == (status, 7, "no room")
    assert double.events() == []
    assert [request.status for request in double.rejected] == [status]
    double.recover()
    assert send_batch(session, log_event(running_task, "line")).response.added == 1
    assert double.console(running_task) == ["line"]


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_status_the_sdk_retries_ends_in_retry_error(
    double: ClearMLDouble, session: Any, running_task: str, status: int
) -> None:
    fault = double.fail("events", status=status)
    with pytest.raises(requests.exceptions.RetryError):
        send_batch(session, log_event(running_task, "line"))
    assert fault.hits == 1


def test_html_with_200_looks_accepted_but_has_no_answer(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    double.fail("events", html=True, times=1)
    result = send_batch(session, log_event(running_task, "line"))
    assert result.ok()
    assert result.response is None
    assert double.events() == []
    assert (double.requests[-1].status, double.requests[-1].ok) == (200, False)


def test_html_with_200_at_login_names_the_api_server(
    double: ClearMLDouble, new_session: NewSession
) -> None:
    from clearml.backend_api.session.session import LoginError

    double.fail("auth.login", html=True)
    with pytest.raises((LoginError, ValueError), match="misconfigured"):
        new_session()
    with pytest.raises((LoginError, ValueError), match="misconfigured"):
        new_session(host=double.web_url)


@pytest.mark.parametrize("lost", [1, 3])
def test_short_added_forgets_the_end_of_the_batch(
    double: ClearMLDouble, session: Any, running_task: str, lost: int
) -> None:
    double.fail("events.add_batch", short_added=lost, times=1)
    batch = [log_event(running_task, str(number)) for number in range(3)]
    response = send_batch(session, *batch).response
    assert (response.added, response.errors) == (3 - lost, 0)
    assert len(double.events()) == 3 - lost
    assert send_batch(session, *batch).response.added == 3
    assert double.violations == []


def test_a_hang_is_dropped_at_recovery_and_leaves_nothing(
    double: ClearMLDouble, new_session: NewSession, running_task: str
) -> None:
    fault = double.fail("events", hang=True)
    with pytest.raises(requests.exceptions.ConnectionError):
        send_batch(new_session(read_timeout=0.2), log_event(running_task, "line"))
    assert fault.hits == 1
    double.recover()
    dropped = double.wait_for(lambda: [item for item in double.requests if item.status == 0])
    assert [item.name for item in dropped] == ["events.add_batch"]
    assert double.events() == []
    assert send_batch(new_session(), log_event(running_task, "line")).response.added == 1


def test_a_hang_of_some_seconds_is_only_slow(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    double.fail("events", hang=0.05)
    assert send_batch(session, log_event(running_task, "line")).response.added == 1
    assert double.requests[-1].ok


def test_a_hang_lasts_until_its_event_is_set(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    release = threading.Event()
    fault = double.fail("events", hang=release)
    answers: list[Any] = []
    batch = [log_event(running_task, "line")]
    sender = threading.Thread(target=lambda: answers.append(send_batch(session, *batch)))
    sender.start()
    double.wait_for(lambda: fault.hits)
    assert double.events() == []
    release.set()
    sender.join()
    assert answers[0].response.added == 1


def test_stopping_the_double_ends_a_hang(new_session: NewSession, double: ClearMLDouble) -> None:
    session = new_session()
    fault = double.fail("events", hang=True)
    errors: list[Exception] = []

    def send() -> None:
        try:
            send_batch(session, log_event("0" * 32, "line"))
        except requests.exceptions.ConnectionError as error:
            errors.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    double.wait_for(lambda: fault.hits)
    double.stop()
    sender.join()
    assert len(errors) == 1


def test_a_cut_answer_is_sent_again_by_the_sdk(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    double.fail("events", reset=True, times=1)
    batch = [table_event(running_task, [[1, "x"]]), log_event(running_task, "line")]
    assert send_batch(session, *batch).response.added == 2
    assert [(request.status, request.ok) for request in double.requests[-2:]] == [
        (200, False),
        (200, True),
    ]
    assert len(double.tables(running_task)) == 1
    assert double.console(running_task) == ["line", "line"]


def test_times_skip_and_match_choose_the_requests(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import tasks

    fault = double.fail("events.add_batch", status=500, skip=1, times=2)
    oks = []
    for number in range(4):
        oks.append(send_batch(session, log_event(running_task, str(number))).ok())
        assert session.send(tasks.PingRequest(task=running_task)).ok()
    assert oks == [True, False, False, True]
    assert fault.hits == 2
    assert double.console(running_task) == ["0", "3"]


def test_a_server_that_is_down_refuses_and_comes_back(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    with double.down(), pytest.raises(requests.exceptions.ConnectionError):
        send_batch(session, log_event(running_task, "line"))
    assert send_batch(session, log_event(running_task, "line")).response.added == 1
    assert double.console(running_task) == ["line"]


def test_a_fault_without_effect_is_an_error(double: ClearMLDouble) -> None:
    with pytest.raises(ValueError, match="needs status"):
        double.fail("events")


def test_wrong_credentials_are_refused(double: ClearMLDouble, new_session: NewSession) -> None:
    from clearml.backend_api.session.session import LoginError

    with pytest.raises(LoginError, match=r"401.*failed to locate provided credentials"):
        new_session(api_key="someone", secret_key="else")
    assert [request.status for request in double.rejected] == [401]


@pytest.mark.parametrize(
    ("header", "subcode"),
    [(None, 20), ("Basic abc", 10), ("Bearer nonsense", 30), ("Bearer " + "a.b.c", 30)],
)
def test_every_other_call_needs_a_bearer_token(
    double: ClearMLDouble, header: str | None, subcode: int
) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.post(f"{double.api_url}/v2.23/tasks.get_all", headers=headers, timeout=5)
    assert answer.status_code == 401
    assert answer.json()["meta"]["result_subcode"] == subcode
    assert requests.post(double.files_url, headers=headers, timeout=5).status_code == 401


def test_the_sdk_logs_in_again_after_tokens_are_revoked(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    """It repeats the request with the old token, so the request after that is the good one."""
    double.accounts.revoke_tokens()
    assert send_batch(session, log_event(running_task, "line")).meta.result_code == 401
    assert send_batch(session, log_event(running_task, "line")).response.added == 1
    assert [(request.name, request.status) for request in double.requests[-4:]] == [
        ("events.add_batch", 401),
        ("auth.login", 200),
        ("events.add_batch", 401),
        ("events.add_batch", 200),
    ]


CONTENT = bytes(range(256)) * 40 + b"\r\n--\r\n\r\n"


@pytest.mark.parametrize("path", ["a/b/rows.csv", 'spiel/größe "1"/bild.png'])
def test_files_come_back_as_they_were_sent(double: ClearMLDouble, session: Any, path: str) -> None:
    headers = session.add_auth_headers({})
    upload = {"files": {path: (path, CONTENT, "text/csv")}, "headers": headers, "timeout": 5}
    assert requests.post(double.files_url, **upload).json() == [path]
    assert double.files == {path: CONTENT}
    url = f"{double.files_url}/{requests.utils.quote(path)}"
    assert requests.get(url, headers=headers, timeout=5).content == CONTENT
    assert requests.head(url, headers=headers, timeout=5).headers["Content-Length"] == str(
        len(CONTENT)
    )
    assert requests.get(url, timeout=5).status_code == 401
    assert requests.delete(url, headers=headers, timeout=5).status_code == 200
    assert requests.get(url, headers=headers, timeout=5).status_code == 404


def test_uploads_can_fail_and_never_climb_out(double: ClearMLDouble, session: Any) -> None:
    def upload(path: str) -> int:
        files = {path: (path, b"x", "text/plain")}
        headers = session.add_auth_headers({})
        return requests.post(double.files_url, files=files, headers=headers, timeout=5).status_code

    double.fail("files", status=500, times=1)
    assert upload("a/x") == 500
    assert upload("../../x") == 404
    assert double.files == {}
    assert upload("a/x") == 200
    assert [request.body for request in double.requests[-3:]] == [["a/x"], ["../../x"], ["a/x"]]


def test_a_request_whose_sender_died_is_not_acted_upon(double: ClearMLDouble, session: Any) -> None:
    head = "POST /tasks.create HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(double.api_url).port), 5) as sender:
        sender.sendall(f'{head}{{"name":'.encode())
        sender.shutdown(socket.SHUT_WR)
        assert sender.recv(1) == b""
    assert (double.tasks, double.violations) == ({}, [])
