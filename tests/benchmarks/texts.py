"""English text of any length, never the same twice."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from functools import cache
from pydoc_data import topics
from typing import Final

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z'-]*[.,;:!?]?")
_PASSAGES: Final = 64


def texts(words: int, seed: int = 1) -> Iterator[str]:
    """Passages of the Python reference, which every Python has.

    Args:
        words: words of each text.
        seed: chooses the passages.

    Returns:
        New strings for ever; a number at the end of each keeps caches of whole texts from helping.
    """
    reference = _reference()
    rng = random.Random(seed)
    starts = [rng.randrange(len(reference) - words) for _ in range(_PASSAGES)]
    passages = [" ".join(reference[start : start + words - 1]).capitalize() for start in starts]
    return (f"{passages[number % _PASSAGES]} {number}." for number in itertools.count())


def reference_words() -> set[str]:
    """The different words of all texts, lower-case, without punctuation."""
    return {re.sub("[^a-z]", "", word.lower()) for word in _reference()}


@cache
def _reference() -> list[str]:
    return [word for word in " ".join(topics.topics.values()).split() if _WORD.fullmatch(word)]
