"""Metrics of our own work, for applications that have set a meter provider.

The SDK's names where it has some, ``clearml.*`` for the rest. Without a provider they cost next to
nothing. Source: https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import count
from typing import Any, Final, NamedTuple, Protocol
from weakref import WeakSet

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

from clearml_otel.version import __version__

_COMPONENT: Final = {
    "otel.component.type": "clearml_span_exporter",
    "otel.component.name": "clearml_span_exporter/0",
}


class Queue(NamedTuple):
    """A span processor's identity, and the spans in its queue now and at most."""

    component: Mapping[str, str]
    size: int
    capacity: int


class Watched(Protocol):
    """A pipeline, as the gauges see it."""

    @property
    def open_traces(self) -> int:
        """Traces that are not settled for good."""
        ...

    @property
    def waiting_spans(self) -> int:
        """Spans of the session that goes on: ClearML may have some of them, but not for good."""
        ...

    @property
    def waiting_jobs(self) -> int:
        """Publications that are queued."""
        ...

    @property
    def queue(self) -> Queue | None:
        """That of its span processor, where it has one."""
        ...

    @property
    def spool_bytes(self) -> tuple[int, int]:
        """The identity of its spool, and the bytes in it: several pipelines share one."""
        ...


class Telemetry:
    """The instruments of this process; made when the first pipeline is watched."""

    def __init__(self) -> None:
        self._pipelines: WeakSet[Any] = WeakSet()
        self._processors = count()

    def watch(self, pipeline: Watched) -> None:
        """Show a pipeline in the gauges for as long as somebody holds it."""
        self._pipelines.add(pipeline)
        _ = self._gauges

    def processor(self) -> Mapping[str, str]:
        """The identity of one more span processor."""
        kind = "clearml_span_processor"
        return {
            "otel.component.type": kind,
            "otel.component.name": f"{kind}/{next(self._processors)}",
        }

    def processed(self, processor: Mapping[str, str], spans: int, error: str = "") -> None:
        """A span processor has written spans down, or has lost them."""
        if spans:
            failed = {"error.type": error} if error else {}
            self._processed.add(spans, {**processor, **failed})

    def accepted(self, spans: int) -> None:
        """ClearML has taken spans."""
        if spans > 0:
            self._exported.add(spans, _COMPONENT)

    def lost(self, spans: int, reason: str) -> None:
        """Spans will never be in ClearML."""
        self._exported.add(spans, {**_COMPONENT, "error.type": reason})
        self._lost.add(spans, {"clearml.reason": reason})

    def tried(self, seconds: float, error: str = "") -> None:
        """A publication was made, or failed and is tried again."""
        failed = {"error.type": error} if error else {}
        self._duration.record(seconds, {**_COMPONENT, **failed})
        if error:
            self._retries.add(1, failed)

    def settled(self, reason: str) -> None:
        """A trace has a new revision."""
        self._revisions.add(1, {"clearml.reason": reason})

    def late(self, spans: int) -> None:
        """Spans came after their trace was settled."""
        if spans:
            self._late.add(spans)

    @cached_property
    def _meter(self) -> Any:
        return get_meter("clearml_otel", __version__)

    @cached_property
    def _exported(self) -> Any:
        return self._meter.create_counter("otel.sdk.exporter.span.exported", "{span}")

    @cached_property
    def _processed(self) -> Any:
        return self._meter.create_counter("otel.sdk.processor.span.processed", "{span}")

    @cached_property
    def _lost(self) -> Any:
        return self._meter.create_counter("clearml.span.lost", "{span}")

    @cached_property
    def _duration(self) -> Any:
        return self._meter.create_histogram("otel.sdk.exporter.operation.duration", "s")

    @cached_property
    def _retries(self) -> Any:
        return self._meter.create_counter("clearml.delivery.retries", "{retry}")

    @cached_property
    def _revisions(self) -> Any:
        return self._meter.create_counter("clearml.trace.revisions", "{revision}")

    @cached_property
    def _late(self) -> Any:
        return self._meter.create_counter("clearml.trace.late_spans", "{span}")

    @cached_property
    def _gauges(self) -> list[Any]:
        meter = self._meter
        kinds: dict[str, tuple[str, Callable[[], int]]] = {
            "otel.sdk.exporter.span.inflight": (
                "{span}",
                lambda: sum(each.waiting_spans for each in self._watched()),
            ),
            "clearml.trace.open": (
                "{trace}",
                lambda: sum(each.open_traces for each in self._watched()),
            ),
            "clearml.delivery.waiting": (
                "{publication}",
                lambda: sum(each.waiting_jobs for each in self._watched()),
            ),
            "clearml.spool.bytes": (
                "By",
                lambda: sum(dict(each.spool_bytes for each in self._watched()).values()),
            ),
        }
        queues: dict[str, Callable[[Queue], int]] = {
            "otel.sdk.processor.span.queue.size": lambda queue: queue.size,
            "otel.sdk.processor.span.queue.capacity": lambda queue: queue.capacity,
        }
        return [
            meter.create_observable_up_down_counter(name, [_observed(name, read)], unit)
            for name, (unit, read) in kinds.items()
        ] + [
            meter.create_observable_up_down_counter(name, [self._queues(read)], "{span}")
            for name, read in queues.items()
        ]

    def _queues(
        self, read: Callable[[Queue], int]
    ) -> Callable[[CallbackOptions], list[Observation]]:
        """Something of each span processor's queue."""

        def observe(_: CallbackOptions) -> list[Observation]:
            queues = [each.queue for each in self._watched()]
            return [Observation(read(q), q.component) for q in queues if q is not None]

        return observe

    def _watched(self) -> Iterable[Watched]:
        return list(self._pipelines)


def _observed(name: str, read: Callable[[], int]) -> Callable[[CallbackOptions], list[Observation]]:
    attributes = _COMPONENT if name.startswith("otel.") else {}
    return lambda _: [Observation(read(), attributes)]


telemetry: Final = Telemetry()
"""The telemetry of this process."""
