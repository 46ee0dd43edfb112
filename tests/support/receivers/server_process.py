"""A server as a process of its own, on a free port of loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

_READY = "Uvicorn running on"
_LONGEST_START_S = 180
_TRIES = 3


class ServerError(Exception):
    """The server did not start; the message ends with what it printed last."""


class Startable(Protocol):
    def start(self) -> None: ...
    def wait_ready(self) -> bool: ...
    def stop(self) -> None: ...


Server = TypeVar("Server", bound=Startable)


class ServerProcess:
    """A program that serves with uvicorn; it ends with everything that it started.

    Args:
        command: the program.
        folder: its working directory and home.
        environment: its variables beside this process's own.
    """

    def __init__(
        self, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "HOME": str(folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._last: deque[str] = deque(maxlen=20)
        self._decided = threading.Event()
        self._ready = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_ready(self) -> bool:
        """Wait until it serves; False where it ended before, as when its port was taken."""
        if not self._decided.wait(_LONGEST_START_S):
            raise ServerError(f"no answer in {_LONGEST_START_S} s: {self.last}")
        return self._ready

    @property
    def last(self) -> str:
        """What it printed last."""
        return "".join(self._last)

    def stop(self) -> None:
        """End it and its children."""
        try:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(20)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(10)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._last.append(line)
                if _READY in line:
                    self._ready = True
                    self._decided.set()
        self._decided.set()


def free_port() -> int:
    """A port of loopback that nobody has now; somebody may have it a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def started(*servers: Startable) -> Generator[None]:
    """Start all at once, for each takes seconds; with another port where one was taken."""
    with ExitStack() as stack:
        waiting = list(servers)
        for _ in range(_TRIES):
            for server in waiting:
                server.start()
                stack.callback(server.stop)
            waiting = [server for server in waiting if not server.wait_ready()]
            if not waiting:
                break
        else:
            raise ServerError(f"did not start: {waiting}")
        yield
