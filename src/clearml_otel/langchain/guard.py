"""Keeps errors of ours out of the application."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from clearml_otel.diagnostics import report
from clearml_otel.langchain.values import safe_str

Callback = TypeVar("Callback", bound=Callable[..., Any])


def guarded(callback: Callback) -> Callback:
    """A callback that never raises: what goes wrong in it is logged, once per kind."""

    @functools.wraps(callback)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - telemetry never hurts the application
            report_error(callback.__name__, error)
            return None

    return cast("Callback", wrapper)


def fill(
    attributes: dict[str, Any],
    what: str,
    find: Callable[..., Iterable[tuple[str, Any]] | dict[str, Any]],
    *values: object,
) -> None:
    """Add what ``find`` says of ``values``, up to its first error, which is logged.

    Args:
        attributes: of a span: one bad field of a provider's answer never costs the span.
        what: what the log calls it.
        find: gives attributes.
        values: what a callback was given.
    """
    try:
        attributes.update(find(*values))
    except Exception as error:  # noqa: BLE001 - a provider's response may hold anything
        report_error(what, error)


def report_error(what: str, error: Exception) -> None:
    """Log, once per kind, that a part of a span is missing."""
    kind = type(error).__name__
    report(
        f"langchain.{what}.{kind}",
        f"clearml-otel could not record all of {what}: {kind}: {safe_str(error)[:300]}; "
        "the run itself is unharmed, its span lacks that part",
        exc_info=True,
    )
