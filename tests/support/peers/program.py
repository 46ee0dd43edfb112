"""Runs every scenario under some peers and keeps each one's spans as OTLP JSON lines.

``python -m support.peers.program``: for each line ``FOLDER PEER...`` of stdin it forks a process,
for instrumentations patch what they find, and prints that one's exit status. What it has imported
by then every process needs, and no peer is among it. Several peers at once watch the same runs. The
name of another framework makes one file of its one program. What a process says is in the file
``stderr``.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from contextvars import copy_context
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clearml_otel.demo.openai_server import loopback_openai
from clearml_otel.spans import from_readable_span
from clearml_otel.spans.otlp_json import to_otlp_json_lines
from support.peers.frameworks import FRAMEWORKS
from support.peers.instruments import FLUSHES, PEERS
from support.peers.scenarios import SCENARIOS, run, script

_LONGEST_S = 240


def main(folder: Path, names: list[str]) -> None:
    provider = TracerProvider()
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

    def keep(name: str) -> None:
        for flush in FLUSHES:
            flush()
        records = [from_readable_span(span) for span in exporter.get_finished_spans()]
        exporter.clear()
        lines = "".join(f"{line}\n" for line in to_otlp_json_lines(records))
        (folder / f"{name}.jsonl").write_text(lines)

    with loopback_openai(script):
        if names[0] in FRAMEWORKS:
            FRAMEWORKS[names[0]](provider)
            keep(names[0])
            return
        callbacks: list[Any] = []
        for name in names:
            callbacks += PEERS[name](provider).get("callbacks", [])
        for scenario in SCENARIOS:
            # some leave their spans current in the caller's context
            copy_context().run(run, scenario, {"callbacks": list(callbacks)})
            keep(scenario)


def fork_for_each_line() -> None:
    for line in sys.stdin:
        folder, *names = line.split()
        child = os.fork()
        if child == 0:
            said = os.open(f"{folder}/stderr", os.O_WRONLY | os.O_CREAT)
            os.dup2(said, 1)
            os.dup2(said, 2)
            faulthandler.dump_traceback_later(_LONGEST_S, exit=True)
            os.environ["HOME"] = folder
            main(Path(folder), names)
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    fork_for_each_line()
