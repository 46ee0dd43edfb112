"""The API server: paths, tokens, schemas, endpoints and the envelope around answers."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from . import accounts, event_reads, models, projects, task_fields, task_status
from .accounts import Accounts
from .endpoints import ENDPOINTS, Call
from .errors import ApiError, data_error, invalid_version, not_supported, validation_error
from .events import SCALAR, is_scalar
from .exchange import Answered
from .faults import Fault
from .http_server import HttpRequest, Reply
from .journal import Journal
from .schemas import (
    Version,
    event_problem,
    is_clearml_endpoint,
    parse_version,
    request_problem,
    response_problem,
)
from .store import Document, Store, new_id

# Imported for the endpoints they register.
_REGISTERED = (accounts, event_reads, models, projects, task_fields, task_status)

_PATH = re.compile(r"/(?:v(?P<version>\d+(?:\.\d+)*)/)?(?P<name>\w+\.\w+)/?")
_LOGIN = "auth.login"
_BATCH = "events.add_batch"


class ApiService:
    """Answers API requests. Holds no state of its own."""

    def __init__(self, store: Store, accounts_: Accounts, journal: Journal) -> None:
        self._store = store
        self._accounts = accounts_
        self._journal = journal

    def name_of(self, request: HttpRequest) -> str:
        match = _PATH.fullmatch(request.path)
        return match["name"] if match else request.path

    def body_of(self, request: HttpRequest) -> Any:
        try:
            return _parsed(self.name_of(request), request)
        except ValueError:
            return request.body

    def answer(self, request: HttpRequest, *, lose: int) -> Answered:
        """Check a request and do what it asks; `lose` events at a batch's end are forgotten."""
        try:
            data = self._data(request, lose)
        except ApiError as error:
            reply = self._envelope(request, error.code, error.subcode, error.message, {})
            return Answered(reply, self.body_of(request), error.message)
        return Answered(self._envelope(request, 200, 0, "OK", data), self.body_of(request))

    def error(self, request: HttpRequest, fault: Fault) -> Reply:
        return self._envelope(request, fault.status or 500, fault.subcode, fault.message, {})

    def _data(self, request: HttpRequest, lose: int) -> Document:
        name = self.name_of(request)
        version = self._version(request, name)
        header = request.header("Authorization")
        if name == _LOGIN:
            return self._accounts.login(header, request.query.get("expiration_sec"))
        self._accounts.check_token(header)
        body = self._body(name, request)
        self._check(name, version, body)
        # Stored documents change later; events never do, and may be large.
        given = body[: len(body) - lose] if name == _BATCH else copy.deepcopy(body)
        if body and not given:
            return {"added": 0, "errors": 0, "errors_info": {}}
        worker = request.header("X-ClearML-Worker") or "unknown"
        data = ENDPOINTS[name](Call(self._store, given, worker))
        problem = response_problem(name, version, data)
        if problem:
            self._journal.violation(name, f"the double's own answer is wrong: {problem}")
        return data

    def _version(self, request: HttpRequest, name: str) -> Version | None:
        """The version in the path, if any.

        Raises:
            ApiError: 400 when the endpoint is not modelled, or newer than this server.
        """
        match = _PATH.fullmatch(request.path)
        if name not in ENDPOINTS and name != _LOGIN:
            known = is_clearml_endpoint(name)
            problem = "not modelled by the double" if known else "no such ClearML endpoint"
            self._journal.violation(name, problem)
            raise not_supported(f"Unable to find endpoint {request.path}: {problem}")
        if not match or not match["version"]:
            return None
        version = parse_version(match["version"])
        if version > parse_version(self._accounts.api_version):
            self._journal.violation(name, f"version {match['version']} is newer than the server's")
            raise invalid_version(match["version"])
        return version

    def _body(self, name: str, request: HttpRequest) -> Any:
        try:
            return _parsed(name, request)
        except ValueError as error:
            self._journal.violation(name, f"malformed JSON: {error}")
            raise validation_error(f"malformed JSON: {error}") from error

    def _check(self, name: str, version: Version | None, body: Any) -> None:
        """Hold a body against the SDK's schema.

        Raises:
            ApiError: 400 with what is wrong; 500 for a scalar that is no number, as the
                server, which has no schema for events, finds out when it stores the batch.
        """
        if name in (_BATCH, "events.add"):
            events = body if isinstance(body, list) else [body]
            found = [(index, event_problem(version, event)) for index, event in enumerate(events)]
            problems = [f"event {index}: {problem}" for index, problem in found if problem]
        else:
            problem = request_problem(name, version, body)
            problems = [problem] if problem else []
        for problem in problems:
            self._journal.violation(name, problem)
        if not problems:
            return
        if name == _BATCH and any(_is_bad_scalar(event) for event in body):
            raise data_error(f"failed to parse field [value] of type [float]: {problems[0]}")
        raise validation_error(problems[0])

    def _envelope(
        self, request: HttpRequest, code: int, subcode: int, message: str, data: Document
    ) -> Reply:
        """The JSON around an answer, as every client expects it."""
        match = _PATH.fullmatch(request.path)
        version = (match and match["version"]) or self._accounts.api_version
        meta = {
            "id": new_id(),
            "trx": new_id(),
            "endpoint": {
                "name": self.name_of(request),
                "requested_version": version,
                "actual_version": "1.0",
            },
            "result_code": code,
            "result_subcode": subcode,
            "result_msg": message,
            "error_stack": None,
            "error_data": {},
        }
        return Reply(code, json.dumps({"meta": meta, "data": data}).encode())


def _parsed(name: str, request: HttpRequest) -> Any:
    """The JSON body; raises ValueError when it is none, or no object."""
    text = request.body.decode()
    if name == _BATCH:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    body = json.loads(text or "{}")
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _is_bad_scalar(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and event.get("type") == SCALAR
        and not is_scalar(event.get("value"))
    )
