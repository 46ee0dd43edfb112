"""displaCy pages of a session's answers, made where the tables are sent from: in the delivery."""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from clearml_otel.clearml.transport import Media, Transport
from clearml_otel.diagnostics import report
from clearml_otel.pipeline.delivery import Step
from clearml_otel.readability import is_prose
from clearml_otel.readability.displacy import MAX_WORDS, Pages, Visualizer, VisualizerError
from clearml_otel.records import SessionTables

DEPENDENCIES: Final = "Dependencies Plot"
ENTITIES: Final = "Entities Plot"


@lru_cache(maxsize=4)
def _visualizer(model: str, process: int) -> Visualizer:
    """One model in memory for all pipelines of a process.

    A forked child makes its own: its parent's may have been in the middle of a text.
    """
    return Visualizer(model)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A text and where its record stands: ``number`` is its step, ``4.2`` the second row of it."""

    text: str
    step: int
    number: str

    @property
    def key(self) -> bytes:
        digest = hashlib.sha256(self.number.encode())
        digest.update(self.text.encode("utf-8", "surrogatepass"))
        return digest.digest()


class Visuals:
    """Which pages are to be made, and which were.

    Args:
        model: the spaCy model that the settings name; see
            :class:`~clearml_otel.readability.displacy.Visualizer`.
        max_words: words of a text that are drawn.
    """

    def __init__(self, model: str, max_words: int = MAX_WORDS) -> None:
        self._model = model
        self._max_words = max_words
        self._made: dict[str, set[bytes]] = {}
        self._until = math.inf
        _import_unnoticed("rich.style")

    def steps(self, label: str, tables: SessionTables, timestamp_ms: int) -> list[Step]:
        """The steps that make and send the pages of a session, two for each distinct answer.

        Pages that an earlier publication of the session sent are left out.

        Args:
            label: the series of the session's tables.
            tables: the session's tables.
            timestamp_ms: milliseconds since the epoch.
        """
        made = self._made.setdefault(label, set())
        session = _SessionPages(label, timestamp_ms, made, self._draw)
        return [session.step(answer) for answer in _answers(tables) if answer.key not in made]

    def forget_sessions(self) -> None:
        """The open sessions are over; what is made of them from now on is no longer noted."""
        self._made = {}

    def stop_after(self, seconds: float) -> None:
        """Make no more pages after so many seconds: the end of the program waits for them."""
        self._until = time.monotonic() + seconds

    def _draw(self, text: str) -> Pages:
        if time.monotonic() > self._until:
            raise VisualizerError(
                "the program ended before they were made; flush earlier, or raise "
                "shutdown_timeout_s"
            )
        visualizer = _visualizer(self._model, os.getpid())
        pages = visualizer.pages(text, self._max_words)
        if self._model and visualizer.model != self._model:
            report(
                "visuals.model",
                f"visualize_model={self._model!r} cannot be loaded; the displaCy pages are made "
                f"with {visualizer.model}",
            )
        return pages


class _SessionPages:
    """The pages of one publication; once they cannot be made, the others are not tried."""

    def __init__(
        self, label: str, timestamp_ms: int, made: set[bytes], draw: Callable[[str], Pages]
    ) -> None:
        self._label = label
        self._timestamp_ms = timestamp_ms
        self._made = made
        self._draw = draw
        self._skipped = False

    def step(self, answer: _Answer) -> Step:
        """Makes and sends both pages of an answer; a retry doesn't draw them again."""
        drawn: list[Pages] = []

        def make_and_send(transport: Transport) -> None:
            if self._skipped:
                return
            if not drawn:
                try:
                    drawn.append(self._draw(answer.text))
                except VisualizerError as error:
                    self._skip(transport, str(error))
                    return
                except Exception as error:  # noqa: BLE001 - a text costs its own page only
                    report(
                        "visuals.failed",
                        f"the displaCy pages of {self._series(answer)!r} could not be made "
                        f"({type(error).__name__}: {error}); the tables are unaffected",
                        exc_info=True,
                    )
                    return
            transport.upload_media(self._media(answer, DEPENDENCIES, drawn[0].dependencies))
            transport.upload_media(self._media(answer, ENTITIES, drawn[0].entities))
            drawn.clear()
            self._made.add(answer.key)

        return make_and_send

    def _skip(self, transport: Transport, why: str) -> None:
        text = f"displaCy pages were skipped: {why}"
        report("visuals.skipped", f"{text} (the tables are unaffected)")
        transport.set_configuration(f"displaCy - {self._label}", text)
        self._skipped = True

    def _media(self, answer: _Answer, title: str, page: str) -> Media:
        kind = title.split()[0].lower()
        return Media(
            title=title,
            series=self._series(answer),
            iteration=answer.step,
            file_name=f"{kind}-step-{answer.number}.html",
            data=page.encode(),
            content_type="text/html; charset=utf-8",
            timestamp_ms=self._timestamp_ms,
        )

    def _series(self, answer: _Answer) -> str:
        return f"{self._label} step {answer.number}"


def _import_unnoticed(module: str) -> None:
    """Import what spaCy would import later, in its thread, drawing from the global random numbers.

    The application may have seeded them for an experiment; here they are put back.
    """
    if module not in sys.modules:
        state = random.getstate()
        importlib.import_module(module)
        random.setstate(state)


def _answers(tables: SessionTables) -> Iterator[_Answer]:
    """The distinct answers that are prose, each where it stands first."""
    steps: dict[int, list[str]] = {}
    for record in tables.records:
        step, text = record["step"], record.get("text")
        if record["action"] == "on_llm_end" and isinstance(step, int):
            steps.setdefault(step, []).append(text if isinstance(text, str) else "")
    seen: set[str] = set()
    for step, texts in steps.items():
        for row, text in enumerate(texts, start=1):
            if text not in seen and is_prose(text):
                seen.add(text)
                yield _Answer(text, step, f"{step}.{row}" if len(texts) > 1 else str(step))
