"""An in-memory transport that keeps what it is given and fails where a script says so."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clearml_otel.clearml.code import CodeInfo
from clearml_otel.clearml.transport import (
    Artifact,
    Event,
    Media,
    ModelUpload,
    Status,
    TaskReference,
    TransportError,
)

Trouble = Callable[[str], None]


def down(_: str = "") -> None:
    raise TransportError("the server is down; start it", transient=True)


def refused(_: str = "") -> None:
    raise TransportError("the server refuses it; change it", transient=False)


class ScriptedTransport:
    """A `Transport`; `trouble` is called with each method's name before it does anything."""

    def __init__(self, trouble: Trouble | None = None) -> None:
        self.trouble = trouble
        self.calls: list[str] = []
        self.tried: list[str] = []
        self.threads: set[str] = set()
        self.events: list[Event] = []
        self.artifacts: dict[str, Artifact] = {}
        self.models: dict[str, ModelUpload] = {}
        self.media: list[Media] = []
        self.configuration: dict[str, str] = {}
        self.parameters: dict[str, dict[str, str]] = {}
        self.closed: list[tuple[Status, str]] = []
        self.forks = 0
        self._task_id: str | None = None

    @property
    def task_id(self) -> str | None:
        return self._task_id

    @property
    def location(self) -> str:
        return f"memory:{self._task_id}" if self._task_id else ""

    @property
    def reference(self) -> TaskReference | None:
        return TaskReference(self._task_id) if self._task_id else None

    def _called(self, method: str) -> None:
        self.tried.append(method)
        self.threads.add(threading.current_thread().name)
        if self.trouble is not None:
            self.trouble(method)
        self.calls.append(method)

    def open(self) -> str:
        if self._task_id is None:
            self._called("open")
            self._task_id = "task"
        return self._task_id

    def send(self, events: Sequence[Event]) -> None:
        self._called("send")
        self.events.extend(events)

    def upload_artifact(self, artifact: Artifact) -> None:
        self._called("upload_artifact")
        self.artifacts[artifact.name] = artifact

    def upload_model(self, model: ModelUpload) -> None:
        self._called("upload_model")
        self.models[model.name] = model

    def upload_media(self, media: Media) -> None:
        self._called("upload_media")
        self.media.append(media)

    def set_configuration(self, name: str, text: str) -> None:
        self._called("set_configuration")
        self.configuration[name] = text

    def set_parameters(self, section: str, values: Mapping[str, str]) -> None:
        self._called("set_parameters")
        self.parameters.setdefault(section, {}).update(values)

    def set_code(self, code: CodeInfo) -> None:
        self._called("set_code")

    def ping(self) -> None:
        self._called("ping")

    def close(self, status: Status, message: str = "") -> None:
        self._called("close")
        self.closed.append((status, message))

    def after_fork(self) -> None:
        self.forks += 1

    # -- what the tests ask -------------------------------------------------------------------

    def tables(self) -> dict[tuple[str, str], list[list[Any]]]:
        """Rows by title and series; as in ClearML, the last plot of one address stands."""
        found: dict[tuple[str, str], list[list[Any]]] = {}
        for event in self.events:
            if event["type"] == "plot":
                trace, *_ = json.loads(event["plot_str"])["data"]
                if trace["type"] != "table":
                    continue
                columns = trace["cells"]["values"]
                found[event["metric"], event["variant"]] = [
                    list(row) for row in zip(*columns, strict=True)
                ]
        return found

    def charts(self, series: str) -> dict[str, dict[str, Any]]:
        """The figures of a series that are no tables, by title."""
        figures = {
            event["metric"]: json.loads(event["plot_str"])
            for event in self.events
            if event["type"] == "plot" and event["variant"] == series
        }
        return {t: each for t, each in figures.items() if each["data"][0]["type"] != "table"}

    def scalars(self, series: str) -> dict[str, dict[int, float]]:
        """The points of a series by title and iteration."""
        found: dict[str, dict[int, float]] = {}
        for event in self.events:
            if event["type"] == "training_stats_scalar" and event["variant"] == series:
                found.setdefault(event["metric"], {})[event["iter"]] = event["value"]
        return found

    def series(self, title: str = "Action Records") -> list[str]:
        return [series for metric, series in self.tables() if metric == title]

    def console(self) -> list[str]:
        return [
            line
            for event in self.events
            if event["type"] == "log"
            for line in event["msg"].split("\n")
        ]
