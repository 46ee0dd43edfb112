"""An application that sends its traces to two tracing backends and to ClearML.

    python receivers_program.py PHOENIX_ENDPOINT MLFLOW_ENDPOINT

Ten LangChain programs against a loopback model server; the ClearML settings are in the environment.
"""

from __future__ import annotations

import sys

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from clearml_otel import ClearMLSpanProcessor, LangChainInstrumentor
from clearml_otel.demo.openai_server import loopback_openai
from support.peers.scenarios import SCENARIOS, run, script

if __name__ == "__main__":
    phoenix, mlflow = sys.argv[1:]
    provider = TracerProvider()
    for exporter in (
        OTLPSpanExporter(endpoint=phoenix),
        OTLPSpanExporter(endpoint=mlflow, headers={"x-mlflow-experiment-id": "0"}),
    ):
        provider.add_span_processor(BatchSpanProcessor(exporter))
    provider.add_span_processor(ClearMLSpanProcessor(project_name="Receivers"))
    LangChainInstrumentor().instrument(tracer_provider=provider)
    with loopback_openai(script):
        for name in SCENARIOS:
            run(name, {})
    provider.shutdown()
