"""A model server on 127.0.0.1 that speaks OpenAI's wire format and says what a script says.

The demo, the examples and the tests drive the real OpenAI clients against it::

    with OpenAIServer(lambda prompts: Reply([f"You said {p}" for p in prompts])) as server:
        OpenAI(base_url=server.base_url, api_key="any").invoke("Hello")
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, cast

from clearml_otel.demo.openai_wire import (
    Answer,
    Completion,
    Reply,
    ToolCall,
    WireError,
    complete,
    parse_request,
)

__all__ = ["Answer", "OpenAIServer", "Reply", "ToolCall", "WireError", "loopback_openai"]

MAX_BODY = 16 * 1024 * 1024
"""The longest request body that is read, in bytes."""


class OpenAIServer:
    """Serve scripted answers from a free port of 127.0.0.1 for as long as the block lasts.

    Args:
        answer: the script, called with the prompts of each request, from many threads at once.
            A :class:`WireError` it raises is sent as it is; any other error is a status 500.
    """

    def __init__(self, answer: Answer) -> None:
        self._http = _HTTPServer(answer)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="loopback-openai", daemon=True
        )

    @property
    def base_url(self) -> str:
        """What the clients take as ``base_url``, such as ``http://127.0.0.1:40001/v1``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.hang_up()
        self._http.server_close()


@contextlib.contextmanager
def loopback_openai(answer: Answer) -> Generator[OpenAIServer]:
    """Serve ``answer`` and point the OpenAI clients made in this block at it.

    Sets the environment variables that the clients read and puts them back afterwards: key,
    base URL, no proxy for 127.0.0.1, and no LangSmith tracing, so that nothing leaves the
    machine.  The environment belongs to the whole process: not for use beside other clients.
    """
    with OpenAIServer(answer) as server:
        hosts = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", "127.0.0.1"]
        no_proxy = ",".join(filter(None, hosts))
        changes: dict[str, str | None] = {
            "OPENAI_API_KEY": "loopback",
            "OPENAI_API_BASE": server.base_url,
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_PROXY": None,
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "LANGSMITH_TRACING": "false",
            "LANGCHAIN_TRACING_V2": "false",
        }
        before = {name: os.environ.get(name) for name in changes}
        _set_environment(changes)
        try:
            yield server
        finally:
            _set_environment(before)


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


class _HTTPServer(ThreadingHTTPServer):
    """Threads that are joined at the end, and connections that can be hung up to end them."""

    daemon_threads = False
    request_queue_size = 256

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.numbers = itertools.count(1)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is no news, and stderr is the application's."""

    def hang_up(self) -> None:
        """End the connections that clients keep open between requests."""
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60.0

    def do_POST(self) -> None:
        """Answer a completion request."""
        try:
            completion = self._complete(self._read_body())
        except WireError as error:
            self._send_json(error.status, error.body())
            return
        if completion.request.stream:
            self._send_stream(completion)
        else:
            self._send_json(200, completion.body())

    def do_GET(self) -> None:
        """Say that there is nothing to get."""
        message = f"Unknown request URL: GET {self.path}. This server speaks POST only."
        error = WireError(message, status=404, code="unknown_url")
        self._send_json(error.status, error.body())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: stderr is the application's."""

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            raise WireError("The request needs a Content-Length.", status=411)
        if int(length) > MAX_BODY:
            self.close_connection = True
            raise WireError(f"The request is longer than {MAX_BODY} bytes.", status=413)
        return self.rfile.read(int(length))

    def _complete(self, body: bytes) -> Completion:
        request = parse_request(self.path, body)
        server = cast("_HTTPServer", self.server)
        try:
            reply = server.answer(request.prompts)
        except WireError:
            raise
        except Exception as error:  # the script is the caller's; the client learns what it raised
            raise WireError(f"The script raised {error!r}.", status=500) from error
        prefix = "chatcmpl" if request.chat else "cmpl"
        identifier = f"{prefix}-{next(server.numbers)}"
        return complete(request, reply, identifier=identifier, created=int(time.time()))

    def _send_json(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode("ascii")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _send_stream(self, completion: Completion) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for chunk in completion.chunks():
            self.wfile.write(b"data: " + json.dumps(chunk).encode("ascii") + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")
