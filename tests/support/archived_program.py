"""An application with a tracer provider of its own that archives its spans as OTLP JSON lines.

    python archived_program.py SPANS.jsonl

Runs the page's two scenarios through a ClearMLCallbackHandler; the provider's other exporter is
OpenTelemetry's own file exporter.
"""

from __future__ import annotations

import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(FileSpanExporter(path=Path(sys.argv[1]))))
trace.set_tracer_provider(provider)

from clearml_otel import ClearMLCallbackHandler  # noqa: E402 - after the provider, as in an app
from clearml_otel.demo import page, scenarios  # noqa: E402
from clearml_otel.demo.openai_server import loopback_openai  # noqa: E402

with loopback_openai(page.answer):
    handler = ClearMLCallbackHandler(task_name="archived", complexity_metrics=True)
    llm = scenarios.just_an_llm([handler])
    handler.flush_tracker("simple_sequential", llm)
    with trace.get_tracer("the application").start_as_current_span("handle request"):
        scenarios.agent_with_tools([handler])
    handler.flush_tracker("Agent with Tools", finish=True)
provider.shutdown()
