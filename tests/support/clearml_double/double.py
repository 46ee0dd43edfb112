"""`ClearMLDouble`: a ClearML server on loopback that tests start, break and look into."""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from . import environment
from .accounts import Accounts
from .api import ApiService
from .events import LOG, PLOT
from .exchange import Exchange
from .faults import Fault, Faults, Hang
from .files import FilesService
from .http_server import HTML, HTML_PAGE, HttpRequest, LoopbackServer, Reply
from .journal import Journal, RecordedRequest, Violation
from .schemas import import_sdk
from .store import Document, Store
from .tables import Table, parse_table

T = TypeVar("T")

STATE_PATH = "/_double/state.json"


class ClearMLDouble:
    """An API server, a file server and a web address, as a context manager.

    Every request is held against the JSON schema in the SDK's own request class and the
    server's rules; what breaks a schema is in `violations`. Properties return snapshots.

    Args:
        api_version: What the server says it speaks; the SDK picks its newest module up to that.
            Documents have the shapes of 2.20 and later.
        token_seconds: Lifetime of a token.
    """

    def __init__(self, *, api_version: str = "2.31", token_seconds: int = 24 * 3600) -> None:
        self.accounts = Accounts(api_version, token_seconds=token_seconds)
        self._store = Store()
        self._journal = Journal()
        self._faults = Faults(self._journal)
        self._api = ApiService(self._store, self.accounts, self._journal)
        self._files = FilesService(self._store, self.accounts)
        self._servers: dict[str, LoopbackServer] = {}
        self._urls: dict[str, str] = {}
        self._home: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> ClearMLDouble:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> ClearMLDouble:
        """Import the SDK for its schemas and open the three servers on free ports."""
        import_sdk()
        self._home = tempfile.TemporaryDirectory(
            prefix="clearml-double-", ignore_cleanup_errors=True
        )
        self._listen({})
        self._urls = {kind: server.url for kind, server in self._servers.items()}
        return self

    def stop(self) -> None:
        """End hanging requests, close the servers and remove the double's folder."""
        self.recover()
        self._hang_up()
        if self._home:
            self._home.cleanup()

    def _listen(self, ports: dict[str, int]) -> None:
        for kind, responder in (
            ("api", Exchange(self._api, self._journal, self._faults)),
            ("files", Exchange(self._files, self._journal, self._faults)),
            ("web", self._respond_web),
        ):
            self._servers[kind] = LoopbackServer(responder, ports.get(kind, 0))

    def _hang_up(self) -> None:
        for server in self._servers.values():
            server.stop()

    # Addresses and environment

    @property
    def api_url(self) -> str:
        return self._urls["api"]

    @property
    def files_url(self) -> str:
        return self._urls["files"]

    @property
    def web_url(self) -> str:
        """Answers every path with an HTML page, as the web application does."""
        return self._urls["web"]

    @property
    def home(self) -> Path:
        """The folder that `env()` makes the client's HOME and ClearML cache."""
        if self._home is None:
            raise RuntimeError("the double is not started")
        return Path(self._home.name)

    def env(self) -> dict[str, str]:
        """Variables that point a client at this double, to be laid over `os.environ`."""
        pair = (self.accounts.access_key, self.accounts.secret_key)
        return environment.client_variables(
            self.api_url, self.web_url, self.files_url, pair, self.home
        )

    def client_environ(self, **extra: str) -> dict[str, str]:
        """A whole environment for a client subprocess, free of other ClearML variables."""
        return {**environment.without_clearml(os.environ), **self.env(), **extra}

    def adopt(self, monkeypatch: environment.MonkeyPatch) -> None:
        """Make the test's own process a client, until `monkeypatch` is undone."""
        environment.adopt(monkeypatch, self.env())

    # What arrived

    @property
    def tasks(self) -> dict[str, Document]:
        return self._snapshot(self._store.tasks)

    @property
    def projects(self) -> dict[str, Document]:
        return self._snapshot(self._store.projects)

    @property
    def models(self) -> dict[str, Document]:
        return self._snapshot(self._store.models)

    @property
    def files(self) -> dict[str, bytes]:
        """Path below the file server -> content."""
        with self._journal.condition:
            return dict(self._store.files)

    @property
    def requests(self) -> list[RecordedRequest]:
        with self._journal.condition:
            return list(self._journal.requests)

    @property
    def rejected(self) -> list[RecordedRequest]:
        """The requests that were not answered with 200, or whose answer a fault spoiled."""
        return [request for request in self.requests if not request.ok]

    @property
    def violations(self) -> list[Violation]:
        with self._journal.condition:
            return list(self._journal.violations)

    def task_by_name(self, name: str) -> Document:
        """The one task with this name; LookupError unless there is exactly one."""
        tasks = self.tasks
        found = [task for task in tasks.values() if task["name"] == name]
        if len(found) != 1:
            names = [task["name"] for task in tasks.values()]
            raise LookupError(f"{len(found)} tasks are named {name!r}; there are: {names}")
        return found[0]

    def events(self, task_id: str | None = None, type: str | None = None) -> list[Document]:  # noqa: A002 - the field's own name
        """The events as they were sent, replaced ones left out, in order of arrival."""
        with self._journal.condition:
            return [
                event.body
                for event in self._store.events.values()
                if task_id in (None, event.entity) and type in (None, event.type)
            ]

    def tables(self, task_id: str) -> dict[tuple[str, str, int], Table]:
        """(metric, variant, iteration) -> columns and rows of each table plot of a task."""
        found: dict[tuple[str, str, int], Table] = {}
        for event in self.events(task_id, PLOT):
            table = parse_table(event)
            if table is not None:
                place = (event.get("metric", ""), event.get("variant", ""), event.get("iter", 0))
                found[place] = table
        return found

    def console(self, task_id: str) -> list[str]:
        """The messages of a task's log, by time."""
        with self._journal.condition:
            events = self._store.events_of(task_id, LOG)
        return [event.body.get("msg", "") for event in events]

    def wait_for(self, predicate: Callable[[], T], timeout: float = 10.0) -> T:
        """Wait until `predicate()` is true and return its value; looks again at every request.

        Raises:
            TimeoutError: When it is not true within `timeout` seconds.
        """
        return self._journal.wait_for(predicate, timeout)

    def state(self) -> Document:
        """Everything that arrived, as JSON-ready values: what `STATE_PATH` of the web URL says."""
        with self._journal.condition:
            return {
                "projects": self.projects,
                "tasks": self.tasks,
                "models": self.models,
                "events": self.events(),
                "files": {path: len(content) for path, content in self.files.items()},
                "requests": [f"{item.name} {item.status}" for item in self.requests],
                "violations": [f"{item.name}: {item.problem}" for item in self.violations],
            }

    def _snapshot(self, documents: dict[str, Document]) -> dict[str, Document]:
        with self._journal.condition:
            return copy.deepcopy(documents)

    # Faults

    def fail(
        self,
        match: str = ".",
        *,
        status: int | None = None,
        subcode: int = 0,
        message: str = "injected fault",
        hang: Hang | None = None,
        html: bool = False,
        short_added: int = 0,
        reset: bool = False,
        times: int | None = None,
        skip: int = 0,
    ) -> Fault:
        """Order a fault for the requests whose name matches.

        Args:
            match: Regular expression searched in `service.action`, or `files`.
            status: Answer with this code; nothing is stored.
            subcode: `meta.result_subcode` of that answer.
            message: `meta.result_msg` of that answer.
            hang: Wait this many seconds, or until this event is set, then go on; True waits for
                ever. A request that still hangs at `recover()` or `stop()` is dropped unanswered.
            html: Answer with an HTML page, by default with 200; nothing is stored.
            short_added: Forget this many events at the end of a batch: `added` is that much short.
            reset: Do what was asked, then break the connection in the middle of the answer.
            times: Strike only so often.
            skip: Let this many matching requests pass first.
        """
        fault = Fault(
            match=match,
            status=status,
            subcode=subcode,
            message=message,
            hang=hang,
            html=html,
            short_added=short_added,
            reset=reset,
            times=times,
            skip=skip,
        )
        return self._faults.add(fault)

    def recover(self) -> None:
        """End all faults."""
        self._faults.recover()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Refuse connections inside the `with`; afterwards listen on the same ports again.

        Call `recover()` first if requests hang: they are waited for.
        """
        ports = {kind: server.port for kind, server in self._servers.items()}
        self._hang_up()
        try:
            yield
        finally:
            self._listen(ports)

    def _respond_web(self, request: HttpRequest) -> Reply:
        if request.path == STATE_PATH:
            return Reply(200, json.dumps(self.state()).encode())
        return Reply(200, HTML_PAGE, HTML)
