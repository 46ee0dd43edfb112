"""Exports spans of one-prompt runs and says which are safe; made to be killed at any moment.

    python chaos_program.py NAME HOW COUNT

HOW is ``exporter`` (each span by ``ClearMLSpanExporter.export``; its prompt is printed when that
has returned), ``processor`` (through ``ClearMLSpanProcessor``; how long its calls took is printed
at the end), ``full`` (the same, where no file may have more than ``LARGEST_FILE`` bytes) or
``fork`` (four children export COUNT spans each while the parent does). COUNT is how many traces
there are, 0 for as many as there is time for. Prompts are ``NAME:NUMBER``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from clearml_otel import ClearMLSpanExporter, ClearMLSpanProcessor
from clearml_otel.attributes import SCOPE_NAME
from support.run_records import answered, asked
from support.waits import Waits

LARGEST_FILE = 200_000

name, how, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
SETTINGS: dict[str, Any] = {
    "task_name": name,
    "publish_interval_s": 0.05,
    "trace_grace_s": 0.01,
    "trace_quiet_s": 0.01,
    # some parts end and begin before the kill
    "max_buffered_spans": 150,
}


class Telling(SpanExporter):
    """Says what is safe: the exporter has returned."""

    def __init__(self) -> None:
        self._exporter = ClearMLSpanExporter(**SETTINGS)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            for span in spans:
                os.write(1, f"{span.name}\n".encode())
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def run(tracer: Any, prompt: str) -> None:
    with tracer.start_as_current_span(
        prompt,
        attributes={
            "langchain.run.id": prompt,
            "langchain.run.type": "llm",
            "langchain.run.name": "Echo",
            "gen_ai.input.messages": asked(prompt),
            "gen_ai.output.messages": answered(f"echo {prompt}"),
        },
    ):
        pass


def export(tracer: Any, prefix: str, number: int) -> Waits:
    """Gives what each span took."""
    waits = Waits()
    done = 0
    while not number or done < number:
        with waits.call():
            run(tracer, f"{prefix}:{done}")
        done += 1
        # 1,000 spans a second are a busy service
        time.sleep(0.001)
    return waits


if how == "full":
    import resource

    # writing more fails as on a full disk, and needs no disk of the test's own
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
provider = TracerProvider()
if how == "exporter":
    provider.add_span_processor(SimpleSpanProcessor(Telling()))
else:
    provider.add_span_processor(ClearMLSpanProcessor(**SETTINGS))
tracer = provider.get_tracer(SCOPE_NAME)
if how != "fork":
    figures = export(tracer, name, count).figures()
    os.write(1, f"waits {json.dumps(figures)}\n".encode())
else:
    parent = threading.Thread(target=export, args=(tracer, f"{name}-parent", count))
    parent.start()
    children: list[int] = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            export(tracer, f"{name}-{number}", count)
            if number % 2:
                # as multiprocessing ends its children: no exit handler runs
                provider.force_flush(100)
                os._exit(0)
            sys.exit(0)
        children.append(child)
    parent.join()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
