"""Peers run in processes of their own, and the spans that they made."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from clearml_otel.spans import SpanRecord
from clearml_otel.spans.otlp_json import read_otlp_json_lines

TESTS: Final = Path(__file__).parents[2]
PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "openinference": ("openinference.instrumentation.langchain",),
    "openinference_redacted": ("openinference.instrumentation.langchain",),
    "traceloop": ("opentelemetry.instrumentation.langchain",),
    "genai": ("opentelemetry.instrumentation.genai.langchain",),
    "genai_default": ("opentelemetry.instrumentation.genai.langchain",),
    "langfuse": ("langfuse",),
    "mlflow": ("mlflow.tracking", "mlflow.langchain"),
    "langsmith": ("langsmith",),
    "openai": ("opentelemetry.instrumentation.genai.openai",),
    "pydantic_ai": ("pydantic_ai",),
    "openai_agents_openinference": ("openinference.instrumentation.openai_agents", "agents"),
    "openai_agents_genai": (
        "opentelemetry.instrumentation.genai.openai",
        "opentelemetry.instrumentation.genai.openai_agents",
        "agents",
    ),
}


def record(*names: str) -> dict[str, list[SpanRecord]]:
    """The spans of each scenario under all of some peers at once, or of a framework's program."""
    for package in (package for name in names for package in PACKAGES.get(name, ())):
        if not _installed(package):
            pytest.skip(f"{package} is not installed (extra peers)")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "support.peers.program", folder, *names],
            cwd=TESTS,
            env=_environment(folder),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {
            path.stem: list(read_otlp_json_lines(path)) for path in Path(folder).glob("*.jsonl")
        }


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _environment(folder: str) -> dict[str, str]:
    """This process's environment without what would switch an instrumentation on or off."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OTEL_", "LANGSMITH_", "LANGCHAIN_", "LANGFUSE_", "MLFLOW_"))
    }
    return {**kept, "HOME": folder, "OPENAI_AGENTS_DISABLE_TRACING": "0"}
