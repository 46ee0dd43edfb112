"""HTTP on loopback: requests in, replies out, connections that can be dropped."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

JSON = "application/json"
HTML = "text/html; charset=utf-8"
# How long stopping a server may take.
_POLL_SECONDS = 0.02
TEXT = "text/plain; charset=utf-8"

HTML_PAGE = b"<!DOCTYPE html><html><title>Sign in</title><body>Please sign in.</body></html>"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came: `path` is unquoted, `query` holds the first value of each name."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name) or ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. With `cut`, the connection breaks in the middle of its body."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


# Answers a request, or returns None to drop the connection without a word.
Responder = Callable[[HttpRequest], Reply | None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: LoopbackServer

    def _serve(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        body = self._read_body()
        if body is None:
            self.close_connection = True
            return
        request = HttpRequest(self.command, unquote(address.path), query, self.headers, body)
        reply = self.server.responder(request)
        if reply is None:
            self.close_connection = True
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _serve  # noqa: N815 - names it overrides

    def _read_body(self) -> bytes | None:
        """The body; None where the sender died before its end: no server acts on such a request."""
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            return body if len(body) == length else None
        chunks: list[bytes] = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        if reply.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it overrides
        """Say nothing on stderr: the journal has it."""


class LoopbackServer(ThreadingHTTPServer):
    """A threaded HTTP server on 127.0.0.1 that can be stopped with its connections."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, responder: Responder, port: int = 0) -> None:
        self.responder = responder
        self._connections: set[socket.socket] = set()
        self._handlers: set[threading.Thread] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._loop = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        self._loop.start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for the host's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._guard:
            self._connections.add(request)
            self._handlers = {item for item in self._handlers if item.is_alive()} | {thread}
            thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; other errors are the journal's to tell."""

    def stop(self) -> None:
        """Refuse new connections, break the open ones, and wait for their threads."""
        self.shutdown()
        self.server_close()
        with self._guard:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            handlers = list(self._handlers)
        for thread in [self._loop, *handlers]:
            thread.join(timeout=5)
