"""ClearML's tables beside any other tracing backend: both get every span.

    pip install "clearml-otel[demo,otlp]" opentelemetry-exporter-otlp-proto-http
    python beside_otlp.py

The application has a TracerProvider of its own that exports over OTLP/HTTP; ClearML is one more
span processor.  Here the other backend is a receiver on this machine that counts spans; yours is
at OTEL_EXPORTER_OTLP_ENDPOINT.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from langchain_openai import ChatOpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from clearml_otel import ClearMLSpanProcessor, LangChainInstrumentor
from clearml_otel.demo.openai_server import Reply, loopback_openai

# keep the results on this machine; without this line they go to your ClearML server
os.environ.setdefault("CLEARML_OFFLINE_MODE", "1")


def main(endpoint: str) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "beside-otlp"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    clearml = ClearMLSpanProcessor(project_name="clearml-otel examples", task_name="beside OTLP")
    provider.add_span_processor(clearml)
    trace.set_tracer_provider(provider)
    LangChainInstrumentor().instrument(tracer_provider=provider)

    tracer = trace.get_tracer("beside_otlp")
    with tracer.start_as_current_span("GET /joke"):
        print(ChatOpenAI(model="gpt-4o-mini").invoke("Tell me a joke").text)
    provider.shutdown()
    print(f"The tables are in {clearml.tracker.location}")


class Receiver(BaseHTTPRequestHandler):
    """The other backend: counts the spans that it is sent, by name."""

    spans: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.update(span.name for span in scope.spans)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Keep stderr clean."""


def answer(prompts: list[str]) -> Reply:
    """Stand in for the model."""
    return Reply([f"Somebody asked me this: {prompt}" for prompt in prompts])


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver, loopback_openai(answer):
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        main(f"http://127.0.0.1:{receiver.server_port}/v1/traces")
        receiver.shutdown()
    print(f"The other backend got {dict(Receiver.spans)}")
