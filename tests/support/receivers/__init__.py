"""Real tracing backends that take OTLP/HTTP, as processes on loopback: Phoenix and MLflow.

They are not in the extra `dev`: beside each other and the tests' own packages they would change
those packages' versions. `RECEIVERS` goes into an environment on top of the tests' own.
"""

from __future__ import annotations

from .held import HeldSpan
from .mlflow import MLflowServer
from .phoenix import PhoenixServer
from .server_process import ServerError, started

# mlflow-skinny, which the tests have, is MLflow's server too, without its page; the rest is what
# `mlflow server` imports
RECEIVERS = ("arize-phoenix==20.26.1", "alembic>=1.14", "flask>=3", "flask-cors>=5")

__all__ = ["RECEIVERS", "HeldSpan", "MLflowServer", "PhoenixServer", "ServerError", "started"]
