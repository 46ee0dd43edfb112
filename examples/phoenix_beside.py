"""Phoenix and ClearML side by side: each run of the tables links to its trace in Phoenix.

    pip install "clearml-otel[demo,otlp]" opentelemetry-exporter-otlp-proto-http arize-phoenix
    python phoenix_beside.py

Sends to the Phoenix at PHOENIX_COLLECTOR_ENDPOINT; without, it starts one on this machine, for as
long as it runs itself.  With OPENAI_API_KEY set it asks OpenAI; without, a server on this machine
answers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import httpx
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from clearml_otel import ClearMLSpanProcessor, LangChainInstrumentor
from clearml_otel.demo.openai_server import Reply, loopback_openai

# keep the results on this machine; without this line they go to your ClearML server
os.environ.setdefault("CLEARML_OFFLINE_MODE", "1")

QUESTIONS = ("Why is the sky blue?", "Who painted it?")
RUNS_OF_A_QUESTION = 4  # the chain, and its prompt, model and parser
PROJECT = "beside-clearml"


def main(phoenix: str) -> None:
    # Phoenix files traces under the project that this attribute of their resource names
    provider = TracerProvider(resource=Resource.create({"openinference.project.name": PROJECT}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{phoenix}/v1/traces")))
    clearml = ClearMLSpanProcessor(
        project_name="clearml-otel examples",
        task_name="Phoenix beside",
        trace_url=f"{phoenix}/redirects/traces/{{trace_id}}",
    )
    provider.add_span_processor(clearml)
    LangChainInstrumentor().instrument(tracer_provider=provider)

    prompt = ChatPromptTemplate.from_template("Answer in one sentence: {question}")
    chain = prompt | ChatOpenAI(model="gpt-4o-mini") | StrOutputParser()
    for question in QUESTIONS:
        print(chain.invoke({"question": question}))
    provider.shutdown()
    print(f"The tables are in {clearml.tracker.location}")
    wanted = RUNS_OF_A_QUESTION * len(QUESTIONS)
    print(f"Phoenix has {spans_in(phoenix, wanted)} spans")


def spans_in(phoenix: str, wanted: int) -> int:
    """How many it has, once it has stored what it accepted."""
    url = f"{phoenix}/v1/projects/{PROJECT}/spans?limit=1000"
    with httpx.Client(trust_env=False, timeout=30) as client:
        for _ in range(100):
            answer = client.get(url)
            if answer.is_success and len(answer.json()["data"]) >= wanted:
                break
            time.sleep(0.2)
    return len(answer.raise_for_status().json()["data"])


@contextlib.contextmanager
def started_phoenix() -> Iterator[str]:
    """A Phoenix of our own, which forgets everything at the end."""
    if importlib.util.find_spec("phoenix") is None:
        sys.exit(
            "Phoenix is not installed: `pip install arize-phoenix`, or set "
            "PHOENIX_COLLECTOR_ENDPOINT to the address of one that runs."
        )
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            # its gRPC listener takes every interface; there is no setting for it
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_WORKING_DIR": folder,
        }
        server = subprocess.Popen(
            [sys.executable, "-m", "phoenix.server.main", "serve"],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_until_it_serves(server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def wait_until_it_serves(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    lines: list[str] = []
    for line in server.stdout:
        if "Uvicorn running on" in line:
            # what it says from now on is read too, so that it never waits for a reader
            threading.Thread(target=server.stdout.read, daemon=True).start()
            return
        lines.append(line)
    sys.exit(f"the server did not start: {''.join(lines[-10:])}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(prompts: list[str]) -> Reply:
    """Stand in for the model where there is no key."""
    return Reply([f"Somebody asked me this: {prompt}" for prompt in prompts])


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        address = os.environ.get("PHOENIX_COLLECTOR_ENDPOINT") or stack.enter_context(
            started_phoenix()
        )
        if not os.environ.get("OPENAI_API_KEY"):
            stack.enter_context(loopback_openai(answer))
        main(address.rstrip("/"))
