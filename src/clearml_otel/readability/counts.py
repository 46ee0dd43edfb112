"""What the formulas need to know of a text, counted once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .arabic import ArabicCounts, count_arabic
from .tokens import tokenize, words_and_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SAMPLE = 100  # tokens that Linsear Write looks at
_POLYSYLLABLE = 3
_LONG_WORD = 6
_COSTLY_WORD = 1_000  # letters: base64, minified code, Chinese; hyphenated once for each text


class Memo(Protocol):
    """Word or term -> number of its syllables, for any word."""

    def __getitem__(self, word: str, /) -> int: ...

    def learn(self, words: set[str], /) -> None:
        """Say which words will be asked for."""
        ...


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


def count(text: str, memo: Memo, easy_words: frozenset[str]) -> Counts:
    """Count ``text``.

    Args:
        text: any text.
        memo: gives the syllables of lower-case words and terms.
        easy_words: lower-case terms that are not unfamiliar.
    """
    words, sentences, terms, characters, foreign = tokenize(text)
    memo.learn(terms)
    syllables = memo.__getitem__
    lengths = list(map(len, words))
    if max(lengths, default=0) >= _COSTLY_WORD:
        syllables = cache(syllables)
    sizes = list(map(syllables, words))
    unfamiliar = terms - easy_words
    unfamiliar_sizes = list(map(syllables, unfamiliar))
    polysyllables = _at_least(_POLYSYLLABLE, sizes)

    head = text.split(None, _SAMPLE)
    if len(head) > _SAMPLE:
        sample = _sample(head[:_SAMPLE], syllables)
    else:
        sample = Sample(len(head), polysyllables, sentences)
    return Counts(
        characters=characters,
        letters=sum(lengths),
        words=len(words),
        sentences=sentences,
        syllables=sum(sizes),
        polysyllables=polysyllables,
        long_words=_at_least(_LONG_WORD, lengths),
        unfamiliar=len(unfamiliar),
        difficult=_at_least(2, unfamiliar_sizes),
        complex=_at_least(_POLYSYLLABLE, unfamiliar_sizes),
        sample=sample,
        arabic=count_arabic(text, characters, foreign),
    )


def _sample(tokens: list[str], syllables: Callable[[str], int]) -> Sample:
    words, sentences = words_and_sentences(" ".join(tokens))
    polysyllables = _at_least(_POLYSYLLABLE, map(syllables, words))
    return Sample(len(tokens), polysyllables, sentences)


def _at_least(least: int, numbers: Iterable[int]) -> int:
    """How many of ``numbers`` are ``least`` or more."""
    return len([number for number in numbers if number >= least])
