"""Runs every scenario under some peers and keeps each one's spans as OTLP JSON lines.

``python -m support.peers.program FOLDER PEER...``: a process of its own, for instrumentations
patch what they find. Several peers at once watch the same runs. The name of another framework
makes one file of its one program.
"""

from __future__ import annotations

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


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
