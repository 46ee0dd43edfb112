"""The ``seed`` engine: the page's numbers, which are those of textstat 0.7.3 and 0.7.4."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from .counts import count
from .easy_words import english_easy_words
from .formulas import metrics
from .hyphenation import english_syllables
from .words import WordMemo

if TYPE_CHECKING:
    from .hyphenation import SyllableCounter


class SeedEngine:
    """Measures texts; safe to use from many threads.

    Args:
        syllables: counts the syllables of lower-case words, without punctuation.
        easy_words: the words that are never difficult, lower-case.
    """

    def __init__(self, syllables: SyllableCounter, easy_words: frozenset[str]) -> None:
        self._memo = WordMemo(syllables, easy_words)

    @classmethod
    def load(cls) -> SeedEngine:
        """Make the engine with pyphen's en_US patterns and the shipped list of easy words.

        Raises:
            ImportError: the package ``pyphen`` is missing.
        """
        return cls(english_syllables(), english_easy_words())

    @property
    def version(self) -> str:
        """Such as ``"textstat-0.7.4+pyphen-0.18.1"``."""
        return version()

    def measure(self, text: str) -> dict[str, float | int | str]:
        """Compute the metrics of ``text``, a plain ``str``."""
        return metrics(count(text, self._memo))


@cache
def version() -> str:
    """Version of the formulas and of the patterns.

    Raises:
        ImportError: the package ``pyphen`` is missing.
    """
    return f"textstat-0.7.4+pyphen-{metadata.version('pyphen')}"
