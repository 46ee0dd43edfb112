"""Starts workers and tells them what to measure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.spec import NotRunnableError, Spec

_TESTS: Final = Path(__file__).resolve().parents[1]
_LONGEST_ANSWER_S: Final = 900.0
_SETTINGS: Final = (
    "CLEARML_",
    "LANGCHAIN_",
    "LANGFUSE_",
    "LANGSMITH_",
    "OPENINFERENCE_",
    "OTEL_",
    "TRACELOOP_",
)


class WorkerError(Exception):
    """A worker died or does not answer; the message ends with the last line that it wrote."""


class Worker:
    """One process with one handler.

    Args:
        spec: what it measures.
        folder: where its files go.
        path: folder with other versions of packages than those installed.
    """

    def __init__(self, spec: Spec, folder: Path, path: Path | None = None) -> None:
        self._spec = spec
        self._folder = Path(tempfile.mkdtemp(prefix=f"{spec.subject}-", dir=folder))
        self._errors = self._folder / "stderr.log"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", json.dumps(asdict(spec))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=self._folder,
                env=environment(self._folder, path),
                # ClearML forks; the whole group is ended with the worker
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Wait until the handler is made.

        Raises:
            NotRunnableError: it cannot be.
            WorkerError: the worker died.
        """
        if reason := self._receive().get("not_runnable"):
            raise NotRunnableError(reason)

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have the worker measure something.

        Args:
            do: a public method of :class:`benchmarks.worker.Bench`.
            arguments: its keywords.

        Raises:
            WorkerError: the worker died, or takes too long.
        """
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # its death is seen when no answer comes
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        return self._receive()

    def kill(self) -> None:
        """End the process and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(_LONGEST_ANSWER_S, self.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            last = self._errors.read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise WorkerError(f"the worker ({self._spec}) died: {''.join(last) or 'silently'}")
        return json.loads(line)


def environment(folder: Path, path: Path | None) -> Mapping[str, str]:
    """The caller's, without its tracing and ClearML settings; offline, with no file of the user."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_SETTINGS)}
    paths = [str(path)] if path is not None else []
    paths += [str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "CLEARML_OFFLINE_MODE": "1",
        "CLEARML_CACHE_DIR": str(folder / "clearml"),
        "CLEARML_CONFIG_FILE": str(folder / "none.conf"),
        "OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S": "3600",
        "OTEL_EXPORTER_CLEARML_SPOOL_FOLDER": str(folder / "spool"),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(paths),
    }
