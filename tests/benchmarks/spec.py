"""What the measuring process and its workers both speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Subject: TypeAlias = Literal[
    "none",
    "bare",
    "ours",
    "old",
    # of the comparison with other instrumentations
    "noop",
    "dropped",
    "instrumentor",
    "openinference",
    "traceloop",
    "genai",
    "langfuse",
    # what spans are sent to
    "no backend",
    "one backend",
    "three backends",
    "a dead OTLP",
    "a dead ClearML",
]

_TITLES: Final[Mapping[Subject, str]] = {
    "none": "no handler",
    "bare": "bare spans",
    "ours": "ours",
    "old": "old handler",
    "noop": "no-op handler",
    "dropped": "bare spans",
    "instrumentor": "ours",
    "openinference": "OpenInference",
    "traceloop": "Traceloop",
    "genai": "official GenAI",
    "langfuse": "Langfuse",
    "no backend": "no backend",
    "one backend": "ClearML",
    "three backends": "ClearML + 2 OTLP",
    "a dead OTLP": "…, one OTLP dead",
    "a dead ClearML": "…, ClearML dead",
}


_FOREIGN: Final[frozenset[Subject]] = frozenset(
    {
        "old",
        "openinference",
        "traceloop",
        "genai",
        "langfuse",
        "three backends",
        "a dead OTLP",
        "a dead ClearML",
    }
)


class NotRunnableError(Exception):
    """Something cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a worker measures.

    Args:
        subject: whose handler.
        complexity: with readability metrics.
    """

    subject: Subject
    complexity: bool = False

    @property
    def foreign(self) -> bool:
        """Whether it may fail: what others have made may be missing, or not work here."""
        return self.subject in _FOREIGN

    @property
    def title(self) -> str:
        """What readers know the subject as."""
        return _TITLES[self.subject]

    def __str__(self) -> str:
        return f"{self.subject}{', complexity on' if self.complexity else ''}"
