"""Counts of the OSMAN index, which was made for Arabic, as textstat 0.7.4 makes them.

textstat compares short vowels with six-character strings, so it never finds one and takes the
number of characters minus two for the syllables. That is a number for any text, and a column of
the page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .tokens import Tokens

_short_vowels = re.compile("[\u064b-\u0651]").findall
_stressed = re.compile("[\u064b\u064c\u064d\u0651]").findall
_single_faseeh = re.compile("[\u0621\u0624\u0626\u0630\u0638]").search
_double_faseeh = re.compile("\u0648[\u0627\u0646]").search
_UNCOUNTED = "?.!,*"
_UNCOUNTED_ARABIC = "\u0627\u0649"
_ARABIC = frozenset(map(chr, range(0x600, 0x700)))


class ArabicCounts(NamedTuple):
    """What OSMAN counts beside words and sentences."""

    syllables: int
    """May be negative: it is a number of characters minus two."""
    complex_words: int
    """Tokens with more than five marks of short vowels."""
    faseeh: int
    """Tokens of more than five syllables with a mark of formal language."""


def count_arabic(text: str, tokens: Tokens) -> ArabicCounts:
    """Count ``text``, of which ``tokens`` are the tokens."""
    if _ARABIC.isdisjoint(tokens.foreign):
        uncounted = tokens.stops + text.count(",") + text.count("*")
        return ArabicCounts(tokens.characters - uncounted - 2, 0, 0)
    parts = text.split()
    return ArabicCounts(
        syllables=_syllables(text, tokens.characters),
        complex_words=sum(1 for token in parts if len(_short_vowels(token)) > 5),
        faseeh=sum(1 for token in parts if _is_faseeh(token)),
    )


def _syllables(text: str, characters: int) -> int:
    uncounted = sum(map(text.count, _UNCOUNTED + _UNCOUNTED_ARABIC))
    return characters - uncounted - 2 + 2 * len(_stressed(text))


def _is_faseeh(token: str) -> bool:
    if not _single_faseeh(token) and not _double_faseeh(token):
        return False
    return _syllables(token, len(token)) > 5
