"""Metrics of the application's own, beside those of an engine."""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, TypeAlias

from clearml_otel.diagnostics import forget, report

from .names import METRICS, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Metric: TypeAlias = "Callable[[str], Value]"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KINDS = (str, int, float)
# These stand beside the metrics in a span.
_TAKEN = frozenset({*METRICS, "engine", "engine_version", "generations"})

# Never changed, only replaced: who measures needs no lock.
_registered: Mapping[str, Metric] = {}
_registering = threading.Lock()


def register(name: str, function: Metric) -> None:
    """Have every :class:`~clearml_otel.readability.Measurer` compute a metric more.

    ``function`` is called in the thread that ends a model call, or in a background thread for
    long texts; from several at once. Where it raises, or gives nothing of the three kinds, the
    text goes without this metric, and the log says so once.

    Args:
        name: of the column: letters, digits and underscores, at most 64, no digit first.
            Registered again, the new function replaces the old one.
        function: takes the text, gives a ``float``, an ``int`` or a ``str``.

    Raises:
        TypeError: ``function`` cannot be called.
        ValueError: ``name`` is no such name, or is taken by a metric of the engines.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a metric cannot be called {name!r}: its name needs to be letters, digits and "
            "underscores, at most 64, with no digit first"
        )
    if name in _TAKEN:
        raise ValueError(f"a metric cannot be called {name!r}: that name is taken by the engines")
    if not callable(function):
        raise TypeError(f"the metric {name!r} needs a function, not {type(function).__name__}")
    global _registered
    with _registering:
        _registered = {**_registered, name: function}
    forget(_kind(name))


def unregister(name: str) -> None:
    """Compute the metric ``name`` no longer; nothing happens if there is none of that name."""
    global _registered
    with _registering:
        _registered = {key: value for key, value in _registered.items() if key != name}


def measure_registered(text: str) -> dict[str, Value]:
    """The registered metrics of ``text``, in the order in which they were registered."""
    values: dict[str, Value] = {}
    for name, function in _registered.items():
        value = _value(name, function, text)
        if value is not None:
            values[name] = value
    return values


def _value(name: str, function: Callable[[str], object], text: str) -> Value | None:
    try:
        value = function(text)
        for kind in _KINDS:
            if isinstance(value, kind):
                # The plain value under a subclass (an enum, numpy's float64): spans take no other.
                return kind(value)
        problem = f"gave a {type(value).__name__}, which is no float, int or str"
    except Exception as error:  # noqa: BLE001 - the application's function; costs its metric
        problem = f"raised {type(error).__name__}: {error}"
    report(
        _kind(name),
        f"readability: the registered metric {name!r} is missing for some texts, as its "
        f"function {problem}",
    )
    return None


def _kind(name: str) -> str:
    return f"readability.metric.{name}"


def _after_fork_in_child() -> None:
    global _registering
    _registering = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
