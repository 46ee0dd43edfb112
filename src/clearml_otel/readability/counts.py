"""What the formulas need to know of a text, counted once."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from .arabic import ArabicCounts, count_arabic
from .tokens import tokenize, words_and_sentences

if TYPE_CHECKING:
    from collections.abc import Callable

_SAMPLE = 100  # tokens that Linsear Write looks at
_POLYSYLLABLE = 3
_LONG_WORD = 6
_COSTLY_WORD = 1_000  # letters: base64, minified code, Chinese; hyphenated once for each text


class Sample(NamedTuple):
    """The beginning of a text, for Linsear Write."""

    tokens: int
    polysyllables: int
    sentences: int


class Counts(NamedTuple):
    """Counts of a whole text."""

    characters: int
    """Without white space."""
    letters: int
    """Characters of the words: letters, digits, underscores."""
    words: int
    sentences: int
    """At least 1."""
    syllables: int
    polysyllables: int
    """Words of three syllables or more."""
    long_words: int
    """Words of six letters or more."""
    unfamiliar: int
    """Different terms outside the list of easy words."""
    difficult: int
    """Those of two syllables or more."""
    complex: int
    """Those of three syllables or more."""
    sample: Sample
    arabic: ArabicCounts


def count(text: str, syllables: Callable[[str], int], easy_words: frozenset[str]) -> Counts:
    """Count ``text``.

    Args:
        text: any text.
        syllables: syllables of a lower-case word or term.
        easy_words: lower-case terms that are not unfamiliar.
    """
    words, sentences, terms, characters, foreign = tokenize(text)
    by_length = Counter(map(len, words))
    if max(by_length, default=0) >= _COSTLY_WORD:
        syllables = cache(syllables)
    by_syllables = Counter(map(syllables, words)).items()
    unfamiliar = terms - easy_words
    unfamiliar_by_syllables = Counter(map(syllables, unfamiliar)).items()
    polysyllables = sum(n for size, n in by_syllables if size >= _POLYSYLLABLE)

    head = text.split(None, _SAMPLE)
    if len(head) > _SAMPLE:
        sample = _sample(head[:_SAMPLE], syllables)
    else:
        sample = Sample(len(head), polysyllables, sentences)
    return Counts(
        characters=characters,
        letters=sum(length * n for length, n in by_length.items()),
        words=len(words),
        sentences=sentences,
        syllables=sum(size * n for size, n in by_syllables),
        polysyllables=polysyllables,
        long_words=sum(n for length, n in by_length.items() if length >= _LONG_WORD),
        unfamiliar=len(unfamiliar),
        difficult=sum(n for size, n in unfamiliar_by_syllables if size >= 2),
        complex=sum(n for size, n in unfamiliar_by_syllables if size >= _POLYSYLLABLE),
        sample=sample,
        arabic=count_arabic(text, characters, foreign),
    )


def _sample(tokens: list[str], syllables: Callable[[str], int]) -> Sample:
    words, sentences = words_and_sentences(" ".join(tokens))
    polysyllables = sum(1 for size in map(syllables, words) if size >= _POLYSYLLABLE)
    return Sample(len(tokens), polysyllables, sentences)
