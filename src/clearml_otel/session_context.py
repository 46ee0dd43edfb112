"""The key under which the OpenTelemetry context carries a session's name."""

from __future__ import annotations

from typing import Final

from opentelemetry import context as otel_context

SESSION_CONTEXT_KEY: Final = otel_context.create_key("clearml-session-name")
"""Set by ``Tracker.session(name)``, read by the LangChain handler at the start of each run."""
