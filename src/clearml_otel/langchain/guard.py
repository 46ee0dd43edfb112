"""Keeps errors of ours out of the application."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from clearml_otel.diagnostics import report
from clearml_otel.langchain.values import safe_str

Callback = TypeVar("Callback", bound=Callable[..., Any])
Item = TypeVar("Item")


def guarded(callback: Callback) -> Callback:
    """A callback that never raises: what goes wrong in it is logged, once per kind."""

    @functools.wraps(callback)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - telemetry never hurts the application
            _report(callback.__name__, error)
            return None

    return cast("Callback", wrapper)


def collected(what: str, pairs: Iterable[Item]) -> Iterator[Item]:
    """The items up to the first error, which is logged: one bad field never costs the span."""
    try:
        yield from pairs
    except Exception as error:  # noqa: BLE001 - a provider's response may hold anything
        _report(what, error)


def _report(what: str, error: Exception) -> None:
    kind = type(error).__name__
    report(
        f"langchain.{what}.{kind}",
        f"clearml-otel could not record all of {what}: {kind}: {safe_str(error)[:300]}; "
        "the run itself is unharmed, its span lacks that part",
        exc_info=True,
    )
