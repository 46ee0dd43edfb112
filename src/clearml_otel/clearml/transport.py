"""The contract of a transport: one ClearML task and everything that may be written to it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from clearml_otel.clearml.code import CodeInfo

# ClearML needs this module, and Python refuses to load it at interpreter exit, which is when the
# transport of a short program is opened.
importlib.import_module("concurrent.futures.thread")

Event = dict[str, Any]
"""A ClearML event as its API takes it, without ``task``, which the transport adds."""

Status = Literal["completed", "failed", "stopped"]

UNAUTHORIZED = "unauthorized"
"""The kind of problems that only other credentials end."""

_MAX_MESSAGE = 600


class TransportError(Exception):
    """ClearML did not take what it was given; ``str(error)`` is one line that says what to do.

    Args:
        message: what is wrong and what to do about it; line breaks become spaces.
        transient: whether the same call is worth repeating as it is. True for a server that is
            down, overloaded or answers nonsense, and for bad credentials, which may be repaired.
        kind: problems of one kind are logged once until things work again.
        retry_after_s: seconds that the server asks to be left alone for.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool,
        kind: str = "transient",
        retry_after_s: float = 0.0,
    ) -> None:
        line = " ".join(message.split())
        super().__init__(line if len(line) <= _MAX_MESSAGE else f"{line[:_MAX_MESSAGE]}…")
        self.transient = transient
        self.kind = kind
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What the task is created with, when the transport makes its own."""

    project_name: str
    task_name: str
    task_type: str = "inference"
    tags: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the task; one uploaded later under the same name replaces it.

    ``preview`` is what ClearML shows beside the file, ``type`` its kind in the artifact list.
    """

    name: str
    file_name: str
    data: bytes
    content_type: str
    preview: str = ""
    type: str = "custom"


@dataclass(frozen=True, slots=True)
class ModelUpload:
    """An output model of the task; one uploaded later under the same name takes its place."""

    name: str
    file_name: str
    data: bytes
    framework: str = "LangChain"
    comment: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """A file shown among the task's debug samples; one of the same place takes its place.

    Args:
        title: ClearML's metric.
        series: ClearML's variant.
        iteration: the iteration that it belongs to.
        file_name: its suffix tells ClearML's web application how to show it.
        data: the file.
        content_type: its MIME type.
        timestamp_ms: milliseconds since the epoch.
    """

    title: str
    series: str
    iteration: int
    file_name: str
    data: bytes
    content_type: str
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class TaskReference:
    """Which task a transport writes to, for another process that goes on with it.

    Args:
        task_id: the task's id.
        owned: whether its status is the transport's to give.
        folder: the folder of an offline session; empty for a task on a server.
    """

    task_id: str
    owned: bool = True
    folder: str = ""


class Transport(Protocol):
    """Writes to one ClearML task; every method may raise TransportError and nothing else."""

    @property
    def task_id(self) -> str | None:
        """The id of the task, None until it exists."""
        ...

    @property
    def location(self) -> str:
        """The web page of the task, or the path of the offline session; empty until it exists."""
        ...

    @property
    def reference(self) -> TaskReference | None:
        """The task, for another process to go on with it; None until it exists."""
        ...

    def open(self) -> str:
        """Create and start the task, or attach to the given one; harmless when repeated.

        Returns:
            The id of the task.
        """
        ...

    def send(self, events: Sequence[Event]) -> None:
        """Write events and return once they are accepted; repeating a failed call is safe."""
        ...

    def upload_artifact(self, artifact: Artifact) -> None:
        """Store a file with the task."""
        ...

    def upload_model(self, model: ModelUpload) -> None:
        """Store a model file and register it as an output model of the task."""
        ...

    def upload_media(self, media: Media) -> None:
        """Store a file and show it as a debug sample; repeating a failed call is safe."""
        ...

    def set_configuration(self, name: str, text: str) -> None:
        """Set one configuration object of the task; the others stay."""
        ...

    def set_parameters(self, section: str, values: Mapping[str, str]) -> None:
        """Set hyper-parameters in a section of the task; the others stay."""
        ...

    def set_code(self, code: CodeInfo) -> None:
        """Say which code ran; left alone when attached to the application's own task."""
        ...

    def ping(self) -> None:
        """Tell ClearML that the task is alive: it stops tasks that are silent for two hours."""
        ...

    def close(self, status: Status, message: str = "") -> None:
        """Give the task its final status; harmless when repeated.

        The status is left alone when attached to the application's own task and in a process that
        was forked after the task was opened.
        """
        ...

    def after_fork(self) -> None:
        """Forget what a forked child must not share with its parent: sockets, handles, locks."""
        ...
