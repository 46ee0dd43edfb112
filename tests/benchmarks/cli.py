"""The command: options, parts, output."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks import backends, cpu, flush, memory, old_textstat, peers, pipeline, readability
from benchmarks.driver import WorkerError
from benchmarks.parts import FULL, QUICK, Setting
from benchmarks.spec import NotRunnableError
from benchmarks.table import Grid, NotRunnable, Result, show

_PARTS: Final[dict[str, Callable[[Setting], Result | Grid]]] = {
    "cpu": cpu.measure,
    "flush": flush.measure,
    "memory": memory.measure,
    "pipeline": pipeline.measure,
    "readability": readability.measure,
    "peers": peers.measure,
    "backends": backends.measure,
}
_PACKAGES: Final = (
    "clearml-otel",
    "langchain-core",
    "langchain-community",
    "clearml",
    "opentelemetry-sdk",
    "openinference-instrumentation-langchain",
    "opentelemetry-instrumentation-langchain",
    "opentelemetry-instrumentation-genai-langchain",
    "langfuse",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; see the package's docstring on how to read it."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=main.__doc__)
    parser.add_argument(
        "--only", choices=_PARTS, action="append", help="measure this part; may be repeated"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that everything runs"
    )
    options = parser.parse_args(arguments)
    chosen = {name: _PARTS[name] for name in _PARTS if not options.only or name in options.only}
    with tempfile.TemporaryDirectory(prefix="clearml-otel-benchmarks-") as folder:
        # quick runs, peers and backends do without it
        textstat = not options.quick and not chosen.keys() <= {"peers", "backends"}
        setting = Setting(
            sizes=QUICK if options.quick else FULL,
            folder=Path(folder),
            textstat=_textstat(Path(folder), wanted=textstat),
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
        try:
            with ThreadPoolExecutor(setting.sizes.jobs) as pool:
                futures = [pool.submit(measure, setting) for measure in chosen.values()]
            results = [future.result() for future in futures]
        except WorkerError as error:
            sys.exit(f"benchmarks: {error}")
    show(results, _head(quick=options.quick))


def _textstat(folder: Path, *, wanted: bool) -> Path | NotRunnable:
    if not wanted:
        return NotRunnable("--quick installs no textstat 0.7.4 for the old handler")
    try:
        return old_textstat.install(folder)
    except NotRunnableError as error:
        return NotRunnable(str(error))


def _head(*, quick: bool) -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores; {versions}"
    return f"{machine}{'; --quick: the numbers say little' if quick else ''}\n"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
