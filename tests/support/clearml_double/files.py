"""The file server: multipart uploads, downloads, and the token it asks for."""

from __future__ import annotations

import json
import mimetypes
import re
from email.message import Message

from .accounts import Accounts
from .errors import ApiError
from .exchange import Answered
from .faults import Fault
from .http_server import TEXT, HttpRequest, Reply
from .store import Store

_NAME = re.compile(r'\bname="([^"]*)"')
_PERCENT = {"%22": '"', "%0D": "\r", "%0A": "\n"}


class FilesService:
    """Answers file requests. The path of an upload is the name of its form field."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    def name_of(self, request: HttpRequest) -> str:
        return "files"

    def body_of(self, request: HttpRequest) -> list[str]:
        return [path for path, _ in _parts(request.headers, request.body)]

    def error(self, request: HttpRequest, fault: Fault) -> Reply:
        return Reply(fault.status or 500, fault.message.encode(), TEXT)

    def answer(self, request: HttpRequest, *, lose: int) -> Answered:
        reply = self._reply(request)
        message = "" if reply.status == 200 else reply.body.decode()
        return Answered(reply, self.body_of(request), message)

    def _reply(self, request: HttpRequest) -> Reply:
        path = request.path.lstrip("/")
        if request.method == "GET" and not path:
            return Reply(200, b"OK", TEXT)
        try:
            self._accounts.check_token(request.header("Authorization"))
        except ApiError as error:
            return Reply(error.code, error.message.encode(), TEXT)
        if request.header("Content-Encoding"):
            return Reply(415, b"Content encoding is not supported", TEXT)
        if request.method == "POST" and not path:
            return self._upload(request)
        if path not in self._store.files:
            return Reply(404, f"File {path} not found".encode(), TEXT)
        if request.method == "DELETE":
            del self._store.files[path]
            return Reply(200, json.dumps(path).encode())
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return Reply(200, self._store.files[path], kind)

    def _upload(self, request: HttpRequest) -> Reply:
        uploaded = dict(_parts(request.headers, request.body))
        if any(".." in path.split("/") for path in uploaded):
            return Reply(404, b"Not Found", TEXT)
        self._store.files.update(uploaded)
        return Reply(200, json.dumps(list(uploaded)).encode())


def _parts(headers: Message, body: bytes) -> list[tuple[str, bytes]]:
    """Path and content of each file in a multipart/form-data body."""
    boundary = headers.get_param("boundary")
    if headers.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        return []
    found: list[tuple[str, bytes]] = []
    sections = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    for section in sections[1:]:
        head, separator, content = section.partition(b"\r\n\r\n")
        disposition = head.decode()
        name = _NAME.search(disposition)
        if separator and name and "filename" in disposition:
            found.append((_decoded(name[1]).lstrip("/"), content))
    return found


def _decoded(name: str) -> str:
    for code, character in _PERCENT.items():
        name = name.replace(code, character)
    return name
