"""The ``seed`` engine: the page's numbers, which are those of textstat 0.7.3 and 0.7.4."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from .counts import count
from .easy_words import english_easy_words
from .formulas import metrics
from .hyphenation import english_syllables

if TYPE_CHECKING:
    from collections.abc import Callable

# Together at most about 4 MB, whatever the words are.
_KEPT_WORDS = 16_384
_LONGEST_KEPT_WORD = 32

_INSIDE_TERMS = str.maketrans("", "", "='‘’")


class SyllableMemo(dict[str, int]):
    """Word or term -> number of its syllables, computed when it is first asked for.

    ``map(memo.__getitem__, words)`` stays in C for known words. Holds a bounded number of short
    words; when it is full it starts anew, which costs a few milliseconds every 16,384 new words.

    Args:
        syllables: syllables of a lower-case word, without punctuation.
    """

    def __init__(self, syllables: Callable[[str], int]) -> None:
        super().__init__()
        self._syllables = syllables

    def __missing__(self, term: str) -> int:
        word = term if term.isalnum() else term.translate(_INSIDE_TERMS)
        number = self._syllables(word) if word else 0
        if len(term) <= _LONGEST_KEPT_WORD:
            if len(self) >= _KEPT_WORDS:
                self.clear()
            self[term] = number
        return number


class SeedEngine:
    """Measures texts; safe to use from many threads.

    Args:
        syllables: syllables of a lower-case word, without punctuation.
        easy_words: the words that are never difficult, lower-case.
    """

    def __init__(self, syllables: Callable[[str], int], easy_words: frozenset[str]) -> None:
        self._memo = SyllableMemo(syllables)
        self._easy_words = easy_words

    @classmethod
    def load(cls) -> SeedEngine:
        """Make the engine with pyphen's en_US patterns and the shipped list of easy words."""
        return cls(english_syllables(), english_easy_words())

    def measure(self, text: str) -> dict[str, float | int | str]:
        """Compute the metrics of ``text``, a plain ``str``."""
        return metrics(count(text, self._memo.__getitem__, self._easy_words))


@cache
def version() -> str:
    """Version of the formulas and of the patterns.

    Raises:
        ImportError: the package ``pyphen`` is missing.
    """
    return f"textstat-0.7.4+pyphen-{metadata.version('pyphen')}"
