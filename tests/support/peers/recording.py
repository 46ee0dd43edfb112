"""Peers run in processes of their own, and the spans that they made."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
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


@cache
def record(*names: str) -> dict[str, list[SpanRecord]]:
    """The spans of each scenario under all of some peers at once, or of a framework's program.

    Once a process: nobody changes them.
    """
    for package in (package for name in names for package in PACKAGES.get(name, ())):
        if not _installed(package):
            pytest.skip(f"{package} is not installed (extra peers)")
    with tempfile.TemporaryDirectory() as folder:
        program = _program()
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(f"{folder} {' '.join(names)}\n")
        program.stdin.flush()
        status = program.stdout.readline()
        assert status == "0\n", (Path(folder) / "stderr").read_text()
        return {
            path.stem: list(read_otlp_json_lines(path)) for path in Path(folder).glob("*.jsonl")
        }


@cache
def _program() -> subprocess.Popen[str]:
    """The process that forks for each recording; it ends when this one does."""
    return subprocess.Popen(
        [sys.executable, "-m", "support.peers.program"],
        cwd=TESTS,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _environment() -> dict[str, str]:
    """This process's environment without what would switch an instrumentation on or off."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OTEL_", "LANGSMITH_", "LANGCHAIN_", "LANGFUSE_", "MLFLOW_"))
    }
    return {**kept, "OPENAI_AGENTS_DISABLE_TRACING": "0"}
