"""The connection of one transport, or of several that write to the same server."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator

from opentelemetry.instrumentation.utils import suppress_instrumentation

from clearml_otel.clearml.answers import transport_error
from clearml_otel.clearml.connection import Connection
from clearml_otel.clearml.transport import TransportError


class SharedConnection:
    """Logs in when it is first used, anew after a failure, and in a forked child by itself.

    Args:
        timeouts: seconds to connect to the server, and to wait for each of its answers.
    """

    def __init__(self, timeouts: tuple[float, float] = (3.0, 10.0)) -> None:
        self._timeouts = timeouts
        self._connection: Connection | None = None
        self._process = os.getpid()
        self._users = 0
        self.lock = threading.RLock()
        """Held during each call."""

    def share(self) -> SharedConnection:
        """Give it to one more transport, which closes it when it is done."""
        self._users += 1
        return self

    @contextlib.contextmanager
    def in_use(self) -> Generator[Connection, None, None]:
        """One call at a time, untraced; raises TransportError and nothing else."""
        with self.lock, suppress_instrumentation():
            try:
                if self._connection is None or self._process != os.getpid():
                    self._connection = Connection(self._timeouts)
                    self._process = os.getpid()
                yield self._connection
            except TransportError as error:
                if error.transient:
                    # the next call logs in anew, with credentials that may have been repaired
                    self._disconnect()
                raise
            except Exception as error:  # the contract is TransportError and nothing else
                known = transport_error(error)
                self._disconnect()
                if known is not None:
                    raise known from None
                raise TransportError(
                    f"could not write to ClearML: {type(error).__name__}: {error}", transient=False
                ) from error

    def close(self) -> None:
        """One of its transports is done; with the last one the sockets are closed."""
        with self.lock:
            self._users -= 1
            if self._users <= 0:
                self._disconnect()

    def after_fork(self) -> None:
        """In a forked child: the sockets are the parent's, and so are those who hold the lock."""
        self.lock = threading.RLock()
        self._connection = None

    def _disconnect(self) -> None:
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None
