"""What the formulas need to know of a text, counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import words as of_words
from .arabic import ArabicCounts, count_arabic
from .tokens import tokenize, words_and_sentences

if TYPE_CHECKING:
    from .words import WordMemo

_SAMPLE = 100  # tokens that Linsear Write looks at


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


def count(text: str, memo: WordMemo) -> Counts:
    """Count ``text``.

    Args:
        text: any text.
        memo: knows the words.
    """
    tokens = tokenize(text)
    known, beyond = memo.classes(tokens.terms, tokens.compounds)
    keys = bytes(map(known.__getitem__, tokens.keys))
    words = keys.translate(None, of_words.NO_WORD)
    terms = bytes(map(known.__getitem__, tokens.terms))
    syllables = sum(words.translate(of_words.SYLLABLES))
    if beyond:
        syllables += sum([beyond.get(key, 0) for key in tokens.keys])
    polysyllables = _polysyllables(words)

    head = text.split(None, _SAMPLE)
    if len(head) > _SAMPLE:
        sample = _sample(text[: -len(head[_SAMPLE])], words)
    else:
        sample = Sample(len(head), polysyllables, tokens.sentences)
    return Counts(
        characters=tokens.characters,
        letters=tokens.letters,
        words=len(words),
        sentences=tokens.sentences,
        syllables=syllables,
        polysyllables=polysyllables,
        long_words=len(words.translate(None, of_words.SHORT)),
        unfamiliar=len(terms.translate(None, of_words.EASY)),
        difficult=len(terms.translate(None, of_words.EASY_OR_ONE)),
        complex=len(terms.translate(None, of_words.EASY_OR_FEWER_THAN_THREE)),
        sample=sample,
        arabic=count_arabic(text, tokens),
    )


def _sample(beginning: str, classes: bytes) -> Sample:
    words, sentences = words_and_sentences(beginning)
    return Sample(_SAMPLE, _polysyllables(classes[:words]), sentences)


def _polysyllables(classes: bytes) -> int:
    return len(classes.translate(None, of_words.FEWER_THAN_THREE))
