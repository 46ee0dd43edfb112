"""The process that measures the readability metrics with one engine, told what to do by lines."""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any, Protocol

from benchmarks.texts import texts
from clearml_otel.readability import METRICS
from clearml_otel.readability.installed import InstalledTextstat
from clearml_otel.readability.seed import SeedEngine


class Engine(Protocol):
    """One way to compute the metrics."""

    def measure(self, text: str) -> object: ...

    def forget(self, *, everything: bool) -> None:
        """Be as after the start; with ``everything``, know no word at all."""
        ...


class Ours:
    """The seed engine."""

    def __init__(self) -> None:
        self._engine = SeedEngine.load()
        self._memo = self._engine._memo
        self._at_start = len(self._memo._kept)
        self.measure = self._engine.measure

    def forget(self, *, everything: bool) -> None:
        kept = self._memo._kept
        if everything:
            kept.clear()
        # The latest words first: a copy of the memo would push everything else out of the cache.
        while len(kept) > self._at_start:
            kept.popitem()


class Textstat:
    """textstat as an application calls it: one function for each metric."""

    def __init__(self) -> None:
        engine = InstalledTextstat.load(allow_download=False)
        self._forget = engine._forget
        self._metrics = [getattr(engine._statistics, name) for name in METRICS]

    def measure(self, text: str) -> object:
        return [metric(text) for metric in self._metrics]

    def forget(self, *, everything: bool) -> None:
        """Also what pyphen remembers of words, which is all of them."""
        from pyphen import hdcache

        for clear in self._forget:
            clear()
        for dictionary in hdcache.values():
            dictionary.cache.clear()


class Bench:
    """What can be measured."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def texts(self, *, words: int, texts: int, state: str, seed: int) -> float:
        """CPU seconds for one text, none of them met before.

        Args:
            words: of each text.
            texts: how many are measured.
            state: of the engine: ``first``, as after its start; ``new``, it knows no word;
                ``warm``, it has met the words of all texts.
            seed: chooses the passages.
        """
        found = _texts(words, texts, seed)
        if state == "warm":
            for text in _texts(words, texts, seed, variant=1):
                self._engine.measure(text)
        spent = 0.0
        for text in found:
            if state != "warm":
                self._engine.forget(everything=state == "new")
            before = time.thread_time()
            self._engine.measure(text)
            spent += time.thread_time() - before
        return spent / texts

    def token(self, *, characters: int, seed: int) -> float:
        """CPU seconds for one text without a space."""
        text = f"{seed}" + "aGVsbG8" * (characters // 7)
        before = time.thread_time()
        self._engine.measure(text)
        return time.thread_time() - before


def _texts(words: int, number: int, seed: int, variant: int = 0) -> list[str]:
    """Different texts; those of another variant have the same words."""
    return [
        f"{text} {'Indeed.' * variant}"
        for text in itertools.islice(texts(words, seed=seed), number)
    ]


def main() -> None:
    """Serve until the driver closes stdin."""
    bench = Bench(Ours() if sys.argv[1] == "ours" else Textstat())
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        print(json.dumps(getattr(bench, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    main()
