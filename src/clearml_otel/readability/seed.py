"""The ``seed`` engine: the page's numbers, which are those of textstat 0.7.3 and 0.7.4."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from .counts import count
from .formulas import metrics
from .hyphenation import english_syllables
from .word_lists import english_common_words, english_easy_words
from .words import WordMemo

if TYPE_CHECKING:
    from .hyphenation import SyllableCounter


class SeedEngine:
    """Measures texts; safe to use from many threads.

    Args:
        syllables: counts the syllables of lower-case words, without punctuation.
        easy_words: the words that are never difficult, lower-case.
        common_words: others to know from the start, so that a text has few to compute.
    """

    def __init__(
        self,
        syllables: SyllableCounter,
        easy_words: frozenset[str],
        common_words: frozenset[str] = frozenset(),
    ) -> None:
        self._memo = WordMemo(syllables, easy_words, common_words)

    @classmethod
    def load(cls) -> SeedEngine:
        """Make the engine with pyphen's en_US patterns and the shipped lists of words.

        Raises:
            ImportError: the package ``pyphen`` is missing.
        """
        return cls(english_syllables(), english_easy_words(), english_common_words())

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
