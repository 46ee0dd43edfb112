from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.clearml_double import ClearMLDouble


@pytest.fixture
def double() -> Iterator[ClearMLDouble]:
    with ClearMLDouble() as running:
        yield running


@pytest.fixture
def new_session(double: ClearMLDouble, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes SDK sessions of this process that give up soon."""
    double.adopt(monkeypatch)
    from clearml.backend_api.session import Session

    class QuickSession(Session):
        _session_initial_timeout = _session_timeout = _write_session_timeout = (2.0, 5.0)

    def make(read_timeout: float = 5.0, **keywords: Any) -> Session:
        session_class = type("QuickSession", (QuickSession,), {})
        session_class._session_timeout = (2.0, read_timeout)
        names = ("total", "connect", "read", "redirect", "status")
        return session_class(http_retries_config=dict.fromkeys(names, 0), **keywords)

    return make


@pytest.fixture
def session(new_session: Callable[..., Any]) -> Any:
    return new_session()


@pytest.fixture
def running_task(session: Any) -> str:
    """The id of a task that was created and started."""
    from clearml.backend_api.services import tasks

    created = session.send(tasks.CreateRequest(name="running task", type="inference"))
    assert session.send(tasks.StartedRequest(task=created.response.id)).ok()
    return created.response.id
