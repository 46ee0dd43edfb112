"""The handlers under measurement, and what flushing them means."""

from __future__ import annotations

import importlib
import itertools
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

from langchain_core.callbacks import BaseCallbackHandler

from benchmarks.backend_handlers import BACKENDS, Backends
from benchmarks.bare_spans import BareSpanHandler, Keeper
from benchmarks.peer_handlers import Peer
from benchmarks.spec import NotRunnableError, Spec
from benchmarks.texts import texts

PROJECT: Final = "clearml-otel benchmarks"
TASK: Final = "benchmark"


class Measured(Protocol):
    """A handler under measurement."""

    @property
    def callbacks(self) -> Sequence[BaseCallbackHandler]:
        """What is passed to LangChain."""
        ...

    def flush(self) -> None:
        """Publish everything recorded so far."""
        ...

    def problems(self) -> dict[str, int]:
        """What went wrong in the handler's own view, and how often."""
        ...

    def session_folder(self) -> Path | None:
        """ClearML's offline session with what was published."""
        ...

    def spans(self) -> int:
        """Spans ended since the last call, where they are counted."""
        ...


def make(spec: Spec) -> Measured:
    """The handler that the spec asks for.

    Raises:
        NotRunnableError: it does not run here.
    """
    if spec.subject in BACKENDS:
        return Backends(spec.subject)
    if spec.subject == "ours":
        return _Ours(spec.complexity)
    if spec.subject == "old":
        return _Old(spec.complexity)
    return _Bare() if spec.subject == "bare" else Peer(spec)


class _Bare:
    """Bare spans, kept until the flush."""

    def __init__(self) -> None:
        self._spans = Keeper()
        self.callbacks: list[BaseCallbackHandler] = [BareSpanHandler(self._spans)]

    def flush(self) -> None:
        self._spans.kept.clear()

    def problems(self) -> dict[str, int]:
        return {}

    def session_folder(self) -> Path | None:
        return None

    def spans(self) -> int:
        return 0


class _Ours:
    def __init__(self, complexity: bool) -> None:
        from clearml_otel import ClearMLCallbackHandler

        self._handler = ClearMLCallbackHandler(
            project_name=PROJECT, task_name=TASK, complexity_metrics=complexity
        )
        self.callbacks: list[BaseCallbackHandler] = [self._handler]
        self._names = map("session {}".format, itertools.count(1))

    def flush(self) -> None:
        self._handler.flush_tracker(name=next(self._names))

    def problems(self) -> dict[str, int]:
        from clearml_otel.diagnostics import occurrences

        return occurrences()

    def session_folder(self) -> Path | None:
        return Path(self._handler.tracker.location)

    def spans(self) -> int:
        return 0


class _Old:
    """LangChain's handler, with what it needs to run at all."""

    def __init__(self, complexity: bool) -> None:
        # it loads spaCy and a model in its constructor, and asks neither without visualize=True
        spacy: Any = ModuleType("spacy")
        spacy.load = lambda name: None  # pyright: ignore[reportUnknownLambdaType]
        sys.modules["spacy"] = spacy
        warnings.simplefilter("ignore")  # sunset and pandas notices, one a flush
        try:
            module = importlib.import_module("langchain_community.callbacks")
            self._handler = module.ClearMLCallbackHandler(
                project_name=PROJECT, task_name=TASK, complexity_metrics=complexity
            )
        except Exception as error:
            raise NotRunnableError(f"{type(error).__name__}: {_one_line(error)}") from error
        self.callbacks: list[BaseCallbackHandler] = [self._handler]
        self._names = map("session {}".format, itertools.count(1))
        self._try_text_analysis()

    def flush(self) -> None:
        self._handler.flush_tracker(name=next(self._names))

    def problems(self) -> dict[str, int]:
        return {}

    def session_folder(self) -> Path | None:
        return Path(self._handler.task.get_offline_mode_folder())

    def spans(self) -> int:
        return 0

    def _try_text_analysis(self) -> None:
        """In callbacks its errors would only be logged, and the answers lost."""
        try:
            self._handler.analyze_text(next(texts(100)))
        except Exception as error:
            version = metadata.version("textstat")
            raise NotRunnableError(
                f"textstat {version} raises {type(error).__name__}: {_one_line(error)}"
            ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
