"""Phoenix, the tracing backend of Arize."""

from __future__ import annotations

from pathlib import Path

from .held import HeldSpan, ask
from .server_process import ServerProcess, free_port

_HERE = Path(__file__).parent
LOOPBACK_ONLY = {"PHOENIX_GRPC_INTERCEPTOR_PATHS": f"{_HERE / 'loopback_grpc.py'}:LoopbackOnly"}
"""Phoenix's gRPC listener takes every interface and has no setting; this keeps it to loopback."""


class PhoenixServer:
    """`phoenix serve` with a database of its own.

    Args:
        python: the interpreter of an environment with `arize-phoenix`.
        folder: where its files go.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self._python = python
        self._folder = folder

    def __repr__(self) -> str:
        return f"Phoenix: {self._process.last}"

    def start(self) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._process = ServerProcess(
            [self._python, "-m", "phoenix.server.main", "serve"],
            self._folder,
            {
                "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(port),
                "PHOENIX_GRPC_PORT": str(free_port()),
                "PHOENIX_WORKING_DIR": str(self._folder),
                "PHOENIX_TELEMETRY_ENABLED": "false",
                "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
                **LOOPBACK_ONLY,
            },
        )

    def wait_ready(self) -> bool:
        return self._process.wait_ready()

    def stop(self) -> None:
        self._process.stop()

    @property
    def endpoint(self) -> str:
        """Where an OTLP/HTTP exporter sends spans."""
        return f"{self._url}/v1/traces"

    def spans(self) -> list[HeldSpan]:
        """Everything that it holds; it stores spans some time after it has accepted them."""
        found: list[HeldSpan] = []
        cursor = ""
        while True:
            page = ask(f"{self._url}/v1/projects/default/spans?limit=1000{cursor}")
            for span in page["data"]:
                ids = span["context"]
                parent = span["parent_id"] or None
                found.append(HeldSpan(ids["trace_id"], ids["span_id"], parent, span["name"]))
            if not page["next_cursor"]:
                return found
            cursor = f"&cursor={page['next_cursor']}"
