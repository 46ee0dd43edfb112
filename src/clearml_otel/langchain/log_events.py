"""Log records that are events: what the API calls a record with an event name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context

from clearml_otel.diagnostics import report


def log_event(
    name: str,
    attributes: Mapping[str, Any],
    context: Context,
    severity: SeverityNumber,
    what: str,
) -> LogRecord | None:
    """An event, ready to be emitted.

    Args:
        name: its name.
        attributes: its attributes, which may hold lists and mappings.
        context: with the span that it belongs to.
        severity: its severity.
        what: which feature it is of, for the warning where the API is too old.

    Returns:
        The event, or None where the installed ``opentelemetry-api`` has no named log records.
    """
    try:
        return LogRecord(
            timestamp=time.time_ns(),
            context=context,
            severity_number=severity,
            attributes=attributes,
            event_name=name,
        )
    except TypeError:
        report(
            f"log_events.{name}",
            f"{what} needs a newer opentelemetry-api, whose log records have event names; "
            "spans are made all the same",
        )
        return None
