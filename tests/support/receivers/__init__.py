"""Real tracing backends that take OTLP/HTTP, as processes on loopback: Phoenix and MLflow.

They are not in the extra `dev`: beside each other and the tests' own packages they would change
those packages' versions. `receivers_python` is that of an environment on top of the tests' own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.environments import environment_with

from .held import HeldSpan
from .mlflow import MLflowServer
from .phoenix import LOOPBACK_ONLY, PhoenixServer
from .server_process import ServerError, started

# mlflow-skinny, which the tests have, is MLflow's server too, without its page; the rest is what
# `mlflow server` imports
_RECEIVERS = ("arize-phoenix==20.26.1", "alembic>=1.14", "flask>=3", "flask-cors>=5")

__all__ = [
    "LOOPBACK_ONLY",
    "HeldSpan",
    "MLflowServer",
    "PhoenixServer",
    "ServerError",
    "receivers_python",
    "started",
]


def receivers_python(factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with both, made once for a test session."""
    if sys.version_info < (3, 11):
        pytest.skip("this Phoenix needs Python 3.11")
    return environment_with(factory, "receivers", *_RECEIVERS, on_top=True)
