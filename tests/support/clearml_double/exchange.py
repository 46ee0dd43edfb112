"""One request from arrival to answer: the fault that hits it, the service, the record."""

from __future__ import annotations

import dataclasses
import time
import traceback
from dataclasses import dataclass
from typing import Any, Protocol

from .faults import Fault, Faults
from .http_server import HTML, HTML_PAGE, TEXT, HttpRequest, Reply
from .journal import Journal, RecordedRequest


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply with what the record wants to know beside it."""

    reply: Reply
    body: Any
    message: str = ""


class Service(Protocol):
    """A server behind one port."""

    def name_of(self, request: HttpRequest) -> str: ...

    def body_of(self, request: HttpRequest) -> Any:
        """The request's body for the record; must not fail."""
        ...

    def answer(self, request: HttpRequest, *, lose: int) -> Answered: ...

    def error(self, request: HttpRequest, fault: Fault) -> Reply:
        """The reply with the status a fault asks for."""
        ...


class Exchange:
    """Answers the requests of one service, in turn with those of the others."""

    def __init__(self, service: Service, journal: Journal, faults: Faults) -> None:
        self._service = service
        self._journal = journal
        self._faults = faults

    def __call__(self, request: HttpRequest) -> Reply | None:
        name = self._service.name_of(request)
        fault = self._faults.strike(name)
        if fault and not fault.wait():
            self._record(request, name, None, fault)
            return None
        with self._journal.condition:
            answered = self._spoiled(request, fault) or self._answered(request, name, fault)
            self._record(request, name, answered, fault)
        return dataclasses.replace(answered.reply, cut=bool(fault and fault.reset))

    def _spoiled(self, request: HttpRequest, fault: Fault | None) -> Answered | None:
        if fault is None or not (fault.html or fault.status):
            return None
        if fault.html:
            reply = Reply(fault.status or 200, HTML_PAGE, HTML)
        else:
            reply = self._service.error(request, fault)
        return Answered(reply, self._service.body_of(request), fault.message)

    def _answered(self, request: HttpRequest, name: str, fault: Fault | None) -> Answered:
        try:
            return self._service.answer(request, lose=fault.short_added if fault else 0)
        except Exception:  # a bug of the double must reach the test, not only a server thread
            problem = f"the double itself failed: {traceback.format_exc()}"
            self._journal.violation(name, problem)
            return Answered(Reply(500, problem.encode(), TEXT), None, problem)

    def _record(
        self, request: HttpRequest, name: str, answered: Answered | None, fault: Fault | None
    ) -> None:
        status = answered.reply.status if answered else 0
        spoiled = bool(fault and (fault.html or fault.status or fault.short_added or fault.reset))
        self._journal.add(
            RecordedRequest(
                time=time.time(),
                method=request.method,
                name=name,
                path=request.path,
                body=answered.body if answered else self._service.body_of(request),
                status=status,
                ok=status == 200 and not spoiled,
                message=answered.message if answered else "dropped",
            )
        )
