"""Counts of the OSMAN index, which was made for Arabic, as textstat 0.7.4 makes them.

textstat compares short vowels with six-character strings, so it never finds one and takes the
number of characters minus two for the syllables. That is a number for any text, and a column of
the page.
"""

from __future__ import annotations

import re
from typing import NamedTuple

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


def count_arabic(text: str, characters: int, foreign: frozenset[str]) -> ArabicCounts:
    """Count ``text``.

    Args:
        text: any text.
        characters: how many it has without white space.
        foreign: the different ones of them outside ASCII.
    """
    plain = characters - sum(map(text.count, _UNCOUNTED)) - 2
    if _ARABIC.isdisjoint(foreign):
        return ArabicCounts(plain, 0, 0)
    tokens = text.split()
    return ArabicCounts(
        syllables=_syllables(text, characters),
        complex_words=sum(1 for token in tokens if len(_short_vowels(token)) > 5),
        faseeh=sum(1 for token in tokens if _is_faseeh(token)),
    )


def _syllables(text: str, characters: int) -> int:
    uncounted = sum(map(text.count, _UNCOUNTED + _UNCOUNTED_ARABIC))
    return characters - uncounted - 2 + 2 * len(_stressed(text))


def _is_faseeh(token: str) -> bool:
    if not _single_faseeh(token) and not _double_faseeh(token):
        return False
    return _syllables(token, len(token)) > 5
