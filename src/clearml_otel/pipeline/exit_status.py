"""How a task ends whose program ends: completed, or failed, and why."""

from __future__ import annotations

from typing import Final

from clearml_otel import lifecycle
from clearml_otel.capture import redacts
from clearml_otel.clearml.encoding import cell
from clearml_otel.clearml.transport import Status
from clearml_otel.secret_texts import without_secrets
from clearml_otel.settings import Settings

_LONGEST: Final = 500
"""Characters of an error's text."""


def status_at_exit(settings: Settings) -> tuple[Status, str]:
    """The status, and what the task says of it, without secrets."""
    error = lifecycle.uncaught_exception()
    if error is None:
        return "completed", "closed by clearml-otel"
    kind = type(error).__name__
    # a provider's error often quotes the prompt, which nobody has redacted here
    if redacts() or not settings.keeps_content:
        return "failed", kind
    # one of the application's may not even have a text
    return "failed", f"{kind}: {without_secrets(str(cell(error)))[:_LONGEST]}"
