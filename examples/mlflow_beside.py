"""MLflow and ClearML side by side: each run of the tables links to its trace in MLflow.

    pip install "clearml-otel[demo,otlp]" opentelemetry-exporter-otlp-proto-http mlflow
    python mlflow_beside.py

Sends to the MLflow at MLFLOW_TRACKING_URI; without, it starts one on this machine, for as
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
from collections.abc import Iterator

import httpx
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from clearml_otel import ClearMLSpanProcessor, LangChainInstrumentor
from clearml_otel.demo.openai_server import Reply, loopback_openai

# keep the results on this machine; without this line they go to your ClearML server
os.environ.setdefault("CLEARML_OFFLINE_MODE", "1")

QUESTIONS = ("Why is the sky blue?", "Who painted it?")
EXPERIMENT = "0"  # the one that every MLflow has


def main(mlflow: str) -> None:
    provider = TracerProvider()
    headers = {"x-mlflow-experiment-id": EXPERIMENT}
    exporter = OTLPSpanExporter(f"{mlflow}/v1/traces", headers=headers)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    page = f"{mlflow}/#/experiments/{EXPERIMENT}/traces"
    clearml = ClearMLSpanProcessor(
        project_name="clearml-otel examples",
        task_name="MLflow beside",
        trace_url=f"{page}?selectedEvaluationId=tr-{{trace_id}}",
    )
    provider.add_span_processor(clearml)
    LangChainInstrumentor().instrument(tracer_provider=provider)

    prompt = ChatPromptTemplate.from_template("Answer in one sentence: {question}")
    chain = prompt | ChatOpenAI(model="gpt-4o-mini") | StrOutputParser()
    for question in QUESTIONS:
        print(chain.invoke({"question": question}))
    provider.shutdown()
    print(f"The tables are in {clearml.tracker.location}")
    print(f"MLflow has {spans_in(mlflow)} spans")


def spans_in(mlflow: str) -> int:
    """How many are in the newest traces, one a question; it has stored what it accepted."""
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": EXPERIMENT}}
    query = {"locations": [place], "max_results": len(QUESTIONS), "order_by": ["timestamp_ms DESC"]}
    url = f"{mlflow}/api/3.0/mlflow/traces"
    with httpx.Client(trust_env=False, timeout=30) as client:
        found = client.post(f"{url}/search", json=query).raise_for_status().json()
        ids = [trace["trace_id"] for trace in found["traces"]]
        answer = client.get(f"{url}/batchGet", params={"trace_ids": ids}).raise_for_status()
    return sum(len(trace["spans"]) for trace in answer.json()["traces"])


@contextlib.contextmanager
def started_mlflow() -> Iterator[str]:
    """An MLflow of our own, which forgets everything at the end; only a database takes OTLP."""
    if not (importlib.util.find_spec("mlflow") and importlib.util.find_spec("flask")):
        sys.exit(
            "MLflow's server is not installed: `pip install mlflow`, or set MLFLOW_TRACKING_URI "
            "to the address of one that runs."
        )
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        command += ["--artifacts-destination", f"{folder}/artifacts"]
        server = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
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
        address = os.environ.get("MLFLOW_TRACKING_URI") or stack.enter_context(started_mlflow())
        if not os.environ.get("OPENAI_API_KEY"):
            stack.enter_context(loopback_openai(answer))
        main(address.rstrip("/"))
