"""MLflow's tracking server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from .held import HeldSpan, ask
from .server_process import ServerProcess, free_port

_EXPERIMENT = "0"
_MOST_TRACES = 500
_AT_ONCE = 10


class MLflowServer:
    """`mlflow server` with a database of its own; only a database can take OTLP.

    Args:
        python: the interpreter of an environment with `mlflow` or all that its server needs.
        folder: where its files go.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self._python = python
        self._folder = folder

    def __repr__(self) -> str:
        return f"MLflow: {self._process.last}"

    def start(self) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        command = [self._python, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        self._process = ServerProcess(
            command,
            self._folder,
            {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )

    def wait_ready(self) -> bool:
        return self._process.wait_ready()

    def stop(self) -> None:
        self._process.stop()

    @property
    def endpoint(self) -> str:
        """Where an OTLP/HTTP exporter sends spans."""
        return f"{self._url}/v1/traces"

    @property
    def headers(self) -> Mapping[str, str]:
        """What it must be told with them."""
        return {"x-mlflow-experiment-id": _EXPERIMENT}

    def spans(self) -> list[HeldSpan]:
        """Everything that it holds."""
        place = {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": _EXPERIMENT},
        }
        query = {"locations": [place], "max_results": _MOST_TRACES}
        traces = ask(f"{self._url}/api/3.0/mlflow/traces/search", query).get("traces", [])
        ids = [trace["trace_id"] for trace in traces]
        assert len(ids) < _MOST_TRACES
        found: list[HeldSpan] = []
        for begin in range(0, len(ids), _AT_ONCE):
            wanted = urlencode({"trace_ids": ids[begin : begin + _AT_ONCE]}, doseq=True)
            answer = ask(f"{self._url}/api/3.0/mlflow/traces/batchGet?{wanted}")
            for trace in answer["traces"]:
                for span in trace["spans"]:
                    parent = span.get("parent_span_id")
                    found.append(
                        HeldSpan(
                            _hexadecimal(span["trace_id"]),
                            _hexadecimal(span["span_id"]),
                            _hexadecimal(parent) if parent else None,
                            span["name"],
                        )
                    )
        return found


def _hexadecimal(identifier: str) -> str:
    """OTLP's ids are bytes, and protobuf's JSON has bytes in base64."""
    return base64.b64decode(identifier).hex()
