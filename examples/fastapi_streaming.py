"""A web service that streams its answers: OTLP and ClearML side by side, one session a user.

    pip install "clearml-otel[demo,otlp]" opentelemetry-exporter-otlp-proto-http fastapi uvicorn
    python fastapi_streaming.py

Run like this it serves on a free port of this machine, asks itself a few things, and stops.  The
model is LangChain's fake one, and the other backend a receiver in the same server that counts
spans; yours is at OTEL_EXPORTER_OTLP_ENDPOINT.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import uvicorn
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import StreamingResponse
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from clearml_otel import ClearMLSpanProcessor, LangChainInstrumentor

# keep the results on this machine; without this line they go to your ClearML server
os.environ.setdefault("CLEARML_OFFLINE_MODE", "1")

prompt = ChatPromptTemplate.from_template("Answer in one sentence: {question}")
model = FakeListChatModel(responses=["I have never been asked that before."])
chain = prompt | model | StrOutputParser()

app = FastAPI()


@app.get("/ask")
async def ask(question: str, user: str = Header()) -> StreamingResponse:
    async def words() -> AsyncIterator[str]:
        # the session goes with the call: the generator outlives this function, and may be closed
        # by another task when the user hangs up, where a `with tracker.session(user)` can't end
        config = {"metadata": {"session_id": user}, "run_name": "ask"}
        async for word in chain.astream({"question": question}, config):
            yield word

    return StreamingResponse(words(), media_type="text/plain")


backend = FastAPI()
received: Counter[str] = Counter()


@backend.post("/v1/traces")
async def traces(request: Request) -> Response:
    """The other backend: count the spans that it is sent, by name."""
    export = ExportTraceServiceRequest.FromString(await request.body())
    for resource in export.resource_spans:
        for scope in resource.scope_spans:
            received.update(span.name for span in scope.spans)
    return Response(media_type="application/x-protobuf")


def trace_to(endpoint: str) -> tuple[TracerProvider, ClearMLSpanProcessor]:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    clearml = ClearMLSpanProcessor(
        project_name="clearml-otel examples", task_name="FastAPI streaming"
    )
    provider.add_span_processor(clearml)
    LangChainInstrumentor().instrument(tracer_provider=provider)
    return provider, clearml


def main() -> None:
    app.mount("/backend", backend)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        provider, clearml = trace_to(f"{url}/backend/v1/traces")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        serving.start()
        try:
            with httpx.Client(base_url=url, trust_env=False) as client:
                for user, question in (("ann", "Why?"), ("bob", "Who?"), ("ann", "When?")):
                    params = {"question": question}
                    headers = {"user": user}
                    with client.stream("GET", "/ask", params=params, headers=headers) as answer:
                        print(f"{user}: {''.join(answer.iter_text())}")
            # in a service of your own: in FastAPI's lifespan, after its `yield`
            provider.shutdown()
        finally:
            server.should_exit = True
            serving.join()
    print(f"The tables are in {clearml.tracker.location}")
    print(f"The other backend got {dict(sorted(received.items()))}")


if __name__ == "__main__":
    main()
