"""The GenAI conventions' metrics of model calls, tools, agents and workflows.

Names, units and buckets: https://github.com/open-telemetry/semantic-conventions-genai
(``gen_ai.client.*`` as in version 1.41, the durations of tools, agents and workflows as of today).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter, MeterProvider

from clearml_otel import attributes as names
from clearml_otel.langchain.guard import report_error
from clearml_otel.version import __version__

_SECONDS: Final = tuple(0.01 * 2**step for step in range(14))  # 0.01 to 81.92
_TOKENS: Final = tuple(4**step for step in range(14))  # 1 to 67,108,864
_AGENT_SECONDS: Final = tuple(0.1 * 2**step for step in range(13))  # 0.1 to 409.6
_WORKFLOW_SECONDS: Final = (1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200)

_TO_FIRST_CHUNK: Final = (
    "Time to receive the first chunk, measured from when the client issues the generation request "
    "to when the first chunk is received in the response stream."
)
_AGENT: Final = (
    "The end-to-end duration of a single agent invocation, from the moment the invocation starts "
    "until the agent emits the last chunk of its final response or terminates with an error."
)
_HISTOGRAMS: Final[Mapping[str, tuple[str, str, tuple[float, ...]]]] = {
    names.METRIC_OPERATION_DURATION: ("s", "GenAI operation duration.", _SECONDS),
    names.METRIC_TOKEN_USAGE: ("{token}", "Number of input and output tokens used.", _TOKENS),
    names.METRIC_TIME_TO_FIRST_CHUNK: ("s", _TO_FIRST_CHUNK, _SECONDS),
    names.METRIC_EXECUTE_TOOL_DURATION: ("s", "The duration of a single tool execution.", _SECONDS),
    names.METRIC_INVOKE_AGENT_DURATION: ("s", _AGENT, _AGENT_SECONDS),
    names.METRIC_INVOKE_WORKFLOW_DURATION: ("s", "GenAI workflow duration.", _WORKFLOW_SECONDS),
}
"""Unit, description and buckets of each."""
_CLIENT_KEYS: Final = (
    names.OPERATION_NAME,
    names.PROVIDER_NAME,
    names.REQUEST_MODEL,
    names.SERVER_ADDRESS,
    names.SERVER_PORT,
)
_TOKEN_TYPES: Final = (
    (names.USAGE_INPUT_TOKENS, "input"),
    (names.USAGE_OUTPUT_TOKENS, "output"),
)
_BETWEEN_LOOKS_S: Final = 1.0
_API_PACKAGE: Final = "opentelemetry.metrics"

_lock = threading.Lock()
_made: WeakKeyDictionary[MeterProvider, _Instruments] = WeakKeyDictionary()


class ClientMetrics:
    """Records what each finished run took.

    Independent of sampling: a run whose span is dropped counts too. The attributes are those that
    the conventions allow, with few values each: no run ids, sessions or texts.

    Args:
        meter_provider: where the metrics go; the global provider by default, which is noticed
            within a second where it is set later.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        self._given = meter_provider
        self._next_look_s = 0.0
        self._seen: MeterProvider | None = None
        self._instruments: _Instruments | None = None

    @property
    def enabled(self) -> bool:
        """Whether anybody collects metrics; costs next to nothing to ask."""
        if time.monotonic() < self._next_look_s:
            return self._instruments is not None
        try:
            return self._current() is not None
        except Exception as error:  # noqa: BLE001 - loading a provider may raise anything
            report_error("metrics", error)
            return False

    def record(
        self,
        request: Mapping[str, Any],
        response: Mapping[str, Any],
        duration_s: float,
        time_to_first_chunk_s: float | None = None,
        context: Context | None = None,
    ) -> None:
        """Record a finished run; one that is no operation of the conventions is passed over.

        Args:
            request: the attributes of the span's start, with ``gen_ai.operation.name``.
            response: those of its end: model, usage and ``error.type``.
            duration_s: the run's seconds.
            time_to_first_chunk_s: seconds to the first chunk, where the answer was streamed.
            context: with the run's span, which the measurements' exemplars point to.
        """
        try:
            instruments = self._current()
            if instruments is not None:
                instruments.record(request, response, duration_s, time_to_first_chunk_s, context)
        except Exception as error:  # noqa: BLE001 - a provider's own code may raise anything
            report_error("metrics", error)

    def _current(self) -> _Instruments | None:
        """The instruments, or None as long as the provider is one that drops everything."""
        if self._instruments is not None and self._given is not None:
            return self._instruments
        # asking for the global provider costs a microsecond as long as none is set
        now = time.monotonic()
        if now < self._next_look_s:
            return self._instruments
        self._next_look_s = now + _BETWEEN_LOOKS_S
        provider = metrics.get_meter_provider() if self._given is None else self._given
        if provider is not self._seen:
            # the API's own providers are the stand-ins that do nothing
            works = not type(provider).__module__.startswith(_API_PACKAGE)
            self._instruments = _instruments_of(provider) if works else None
            self._seen = provider
        return self._instruments


class _Instruments:
    """The instruments of one meter."""

    def __init__(self, meter: Meter) -> None:
        made = {name: _histogram(meter, name, *told) for name, told in _HISTOGRAMS.items()}
        self.operation_duration = made[names.METRIC_OPERATION_DURATION]
        self.token_usage = made[names.METRIC_TOKEN_USAGE]
        self.time_to_first_chunk = made[names.METRIC_TIME_TO_FIRST_CHUNK]
        self.special: Mapping[str, tuple[Histogram, tuple[str, ...]]] = {
            "execute_tool": (
                made[names.METRIC_EXECUTE_TOOL_DURATION],
                (names.TOOL_NAME, names.TOOL_TYPE),
            ),
            "invoke_agent": (made[names.METRIC_INVOKE_AGENT_DURATION], (names.AGENT_NAME,)),
            "invoke_workflow": (
                made[names.METRIC_INVOKE_WORKFLOW_DURATION],
                (names.WORKFLOW_NAME,),
            ),
        }

    def record(
        self,
        request: Mapping[str, Any],
        response: Mapping[str, Any],
        duration_s: float,
        time_to_first_chunk_s: float | None,
        context: Context | None,
    ) -> None:
        """Record one finished operation; see :meth:`ClientMetrics.record`."""
        operation = request.get(names.OPERATION_NAME)
        if operation is None:
            return
        error = response.get(names.ERROR_TYPE)
        failed = {} if error is None else {names.ERROR_TYPE: error}
        special = self.special.get(operation)
        if special is not None:
            histogram, keys = special
            histogram.record(duration_s, {**_picked(request, keys), **failed}, context)
            return
        attributes = {**_picked(request), **_picked(response, (names.RESPONSE_MODEL,))}
        for key, kind in _TOKEN_TYPES:
            count = response.get(key)
            if count is not None:
                self.token_usage.record(count, {**attributes, names.TOKEN_TYPE: kind}, context)
        if time_to_first_chunk_s is not None:
            self.time_to_first_chunk.record(time_to_first_chunk_s, attributes, context)
        self.operation_duration.record(duration_s, {**attributes, **failed}, context)


def _picked(said: Mapping[str, Any], keys: tuple[str, ...] = _CLIENT_KEYS) -> dict[str, Any]:
    return {key: said[key] for key in keys if key in said}


def _instruments_of(provider: MeterProvider) -> _Instruments:
    """The provider's instruments, made once: the SDK warns of instruments that are made again."""
    with _lock:
        made = _made.get(provider)
        if made is None:
            meter = provider.get_meter(names.SCOPE_NAME, __version__)
            made = _made[provider] = _Instruments(meter)
        return made


def _histogram(
    meter: Meter, name: str, unit: str, description: str, buckets: tuple[float, ...]
) -> Histogram:
    try:
        return meter.create_histogram(
            name, unit, description, explicit_bucket_boundaries_advisory=buckets
        )
    except TypeError:  # a meter from before opentelemetry-api 1.30
        return meter.create_histogram(name, unit, description)


def _after_fork() -> None:
    global _lock
    # another thread of the parent may have held it
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
