"""The ClearML tasks of one pipeline: one, or one for each session or service."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from clearml_otel.clearml.transport import TaskReference, Transport
from clearml_otel.pipeline.delivery import Job, Step, perform
from clearml_otel.records import SessionKey
from clearml_otel.spans import SpanRecord

MAIN: Final = ""
"""The name of the task that takes what names no session, or no service."""

_NO_SERVICE: Final = "unknown_service"  # what the SDK says where the application says nothing


class Tasks:
    """Each is opened when something is to be written to it; they end together.

    Args:
        make: makes the transport of a task, given the session or service that it is for;
            ``MAIN`` for the main one.
        several: whether there are others than the main one.
        describe: steps that are done once in each, after it is open.
        on_open: called when a task is open that was not.
    """

    def __init__(
        self,
        make: Callable[[str], Transport],
        *,
        several: bool = False,
        describe: Iterable[Step] = (),
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        self.several = several
        self.main = make(MAIN)
        self._make = make
        self._describe = tuple(describe)
        self._on_open = on_open
        self._transports: dict[str, Transport] = {MAIN: self.main}
        self._described: dict[str, str] = {}
        self._undescribed: dict[str, deque[Step]] = {}

    def reach(self) -> None:
        """Open the main task; of several, one that was open, so that a server that is down shows.

        Raises:
            TransportError: it cannot be reached (now).
        """
        for name in list(self.opened())[:1] if self.several else [MAIN]:
            self.open(name)

    def open(self, name: str = MAIN) -> Transport:
        """The transport of a task, which is open and described then.

        Args:
            name: the session or service that it is for.

        Raises:
            TransportError: it cannot be opened (now).
        """
        transport = self._transports.get(name)
        if transport is None:
            transport = self._transports[name] = self._make(name)
        task_id = transport.open()
        if self._described.get(name) != task_id:
            # the first one, or one in the place of one that was deleted
            self._described[name] = task_id
            self._undescribed[name] = deque(self._describe)
            self._on_open()
        perform(Job("the task's description", self._undescribed[name]), transport)
        return transport

    def opened(self) -> dict[str, Transport]:
        """The transports of the tasks that exist."""
        known = list(self._transports.items())
        return {name: each for name, each in known if each.task_id is not None}

    def references(self) -> dict[str, TaskReference]:
        """The tasks that exist, for another process to go on with them."""
        found = {name: each.reference for name, each in self.opened().items()}
        return {name: reference for name, reference in found.items() if reference is not None}

    def after_fork(self) -> None:
        """In a forked child: the sockets are the parent's."""
        for transport in self._transports.values():
            transport.after_fork()


def in_task(tasks: Tasks, name: str, step: Step) -> Step:
    """The step, done in the task of that name whatever transport it is given."""
    return lambda _: step(tasks.open(name))


def by_task(
    per: str,
    sessions: Mapping[SessionKey, list[SpanRecord]],
    given: Mapping[SessionKey, str] | None = None,
) -> list[tuple[str, SessionKey, list[SpanRecord]]]:
    """Sessions with the name of the task that each goes to; one of several services is split.

    Args:
        per: the setting ``task_per``.
        sessions: spans by session.
        given: names that sessions were given by others than their spans.
    """
    if per == "session":
        names = given or {}
        return [(names.get(k) or k.name or MAIN, k, spans) for k, spans in sessions.items()]
    found: list[tuple[str, SessionKey, list[SpanRecord]]] = []
    for key, spans in sessions.items():
        services: dict[str, list[SpanRecord]] = {} if spans else {MAIN: []}
        for span in spans:
            service = service_of(span) if per == "service" else MAIN
            services.setdefault(service, []).append(span)
        found += [(service, key, own) for service, own in services.items()]
    return found


def service_of(span: SpanRecord) -> str:
    """The span's ``service.name``; ``MAIN`` where the application gave none."""
    name = str(span.resource.get("service.name") or "")
    return MAIN if name.partition(":")[0] == _NO_SERVICE else name
