"""The ``seed`` engine: the page's numbers, which are those of textstat 0.7.3 and 0.7.4."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from itertools import filterfalse
from typing import TYPE_CHECKING

from .counts import count
from .easy_words import english_easy_words
from .formulas import metrics
from .hyphenation import english_syllables

if TYPE_CHECKING:
    from .hyphenation import SyllableCounter

# Together at most about 4 MB, whatever the words are.
_KEPT_WORDS = 16_384
_LONGEST_KEPT_WORD = 32

_INSIDE_TERMS = str.maketrans("", "", "='‘’")


class SyllableMemo(dict[str, int]):
    """Word or term -> number of its syllables, computed when it is first asked for.

    ``map(memo.__getitem__, words)`` stays in C for known words. Holds a bounded number of short
    words; when it is full it starts anew, which costs a few milliseconds every 16,384 new words.

    Args:
        syllables: counts the syllables of lower-case words, without punctuation.
        common: words to know from the start; about half of the different ones of a text, so that
            even the first text has few words to compute.
    """

    def __init__(self, syllables: SyllableCounter, common: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._syllables = syllables
        self._common: dict[str, int] = {}
        self._common = {word: self[word] for word in common}

    def learn(self, words: set[str]) -> None:
        """Compute the plain words among ``words`` that are not known, faster than one by one."""
        new = [
            word
            for word in filterfalse(self.__contains__, words)
            if len(word) <= _LONGEST_KEPT_WORD and word.isascii() and word.isalnum()
        ][:_KEPT_WORDS]
        if new:
            self._make_room(len(new))
            self.update(zip(new, self._syllables.each(new), strict=True))

    def __missing__(self, term: str) -> int:
        word = term if term.isalnum() else term.translate(_INSIDE_TERMS)
        number = self._syllables(word) if word else 0
        if len(term) <= _LONGEST_KEPT_WORD:
            self._make_room(1)
            self[term] = number
        return number

    def _make_room(self, words: int) -> None:
        if len(self) + words > _KEPT_WORDS:
            self.clear()
            if len(self._common) + words <= _KEPT_WORDS:
                self.update(self._common)


class SeedEngine:
    """Measures texts; safe to use from many threads.

    Args:
        syllables: counts the syllables of lower-case words, without punctuation.
        easy_words: the words that are never difficult, lower-case.
    """

    def __init__(self, syllables: SyllableCounter, easy_words: frozenset[str]) -> None:
        self._memo = SyllableMemo(syllables, easy_words)
        self._easy_words = easy_words

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
        return metrics(count(text, self._memo, self._easy_words))


@cache
def version() -> str:
    """Version of the formulas and of the patterns.

    Raises:
        ImportError: the package ``pyphen`` is missing.
    """
    return f"textstat-0.7.4+pyphen-{metadata.version('pyphen')}"
