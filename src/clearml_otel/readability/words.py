"""What the formulas need to know of a word, in one byte, for any number of words.

The bytes of a text's words stand in one ``bytes``, so that counting them is left to its methods.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from .tokens import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Besides the common words; together with these at most about 4 MB, whatever the words are.
_KEPT_WORDS = 8_192
_LONGEST_KEPT_WORD = 32

# The class of a word: its syllables, whether it has six letters or more, whether it is easy.
# 0 is the class of what is no word.
_EASY, _LONG = 1, 2
_SYLLABLE = 4
_MOST_SYLLABLES = 63
_LONG_WORD = 6

_CLASSES = range(256)
SYLLABLES = bytes(c // _SYLLABLE for c in _CLASSES)
"""Class -> syllables, at most 63."""
NO_WORD = b"\0"
SHORT = bytes(c for c in _CLASSES if not c & _LONG)
"""The classes of fewer than six letters."""
FEWER_THAN_THREE = bytes(c for c in _CLASSES if c < 3 * _SYLLABLE)
"""The classes of fewer than three syllables."""
EASY = bytes(c for c in _CLASSES if c & _EASY)
EASY_OR_ONE = bytes(c for c in _CLASSES if c & _EASY or c < 2 * _SYLLABLE)
"""The classes of easy words, and of words of one syllable."""
EASY_OR_FEWER_THAN_THREE = bytes({*EASY, *FEWER_THAN_THREE})


class WordMemo:
    """Classes of words, computed when they are first asked for; safe to use from many threads.

    It holds the common words, and a bounded number of other short ones; when these are too many
    it starts anew from the common ones.

    Args:
        syllables: counts the syllables of lower-case words, without punctuation.
        easy_words: the words that are never difficult, lower-case.
        common: words to know from the start beside these, so that a text has few to compute.
    """

    def __init__(
        self,
        syllables: Callable[[Sequence[str]], list[int]],
        easy_words: frozenset[str],
        common: frozenset[str] = frozenset(),
    ) -> None:
        self._syllables = syllables
        self._common, _ = self._computed({*easy_words, *common})
        for word in easy_words:
            self._common[word] |= _EASY
        # Words are only ever added to it, so that who looks words up needs no lock.
        self._kept = dict(self._common)
        self._most = len(self._common) + _KEPT_WORDS

    def classes(
        self, terms: set[str], compounds: set[str]
    ) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Look up the terms and compound keys of a text.

        Returns:
            The class of each of them, among others. Then, for those of more than 63 syllables,
            how many more.
        """
        kept = self._kept
        new = terms.difference(kept)
        if compounds:
            new |= compounds.difference(kept)
        if not new:
            return kept, {}
        found, beyond = self._computed(new)
        if len(kept) + len(found) <= self._most and max(map(len, found)) <= _LONGEST_KEPT_WORD:
            kept.update(found)
            return kept, beyond
        self._keep({key: c for key, c in found.items() if len(key) <= _LONGEST_KEPT_WORD})
        return {key: kept[key] for key in (terms | compounds) - new} | found, beyond

    def _keep(self, found: dict[str, int]) -> None:
        kept = self._kept
        if len(kept) + len(found) > self._most:
            kept = dict(self._common)
        kept.update(islice(found.items(), self._most - len(kept)))
        self._kept = kept

    def _computed(self, keys: set[str]) -> tuple[dict[str, int], dict[str, int]]:
        """Class of each key, none of which is easy; and of some, syllables beyond the most."""
        words = words_of(keys)
        syllables = self._syllables(words)
        classes = [
            number * _SYLLABLE + _LONG if len(word) >= _LONG_WORD else number * _SYLLABLE
            for word, number in zip(words, syllables, strict=True)
        ]
        found = dict(zip(keys, classes, strict=True))
        if "" in words:
            found |= {key: 0 for key, word in zip(keys, words, strict=True) if not word}
        beyond: dict[str, int] = {}
        if max(syllables, default=0) > _MOST_SYLLABLES:
            for key, number in zip(keys, syllables, strict=True):
                if number > _MOST_SYLLABLES:
                    found[key] = _MOST_SYLLABLES * _SYLLABLE + _LONG
                    beyond[key] = number - _MOST_SYLLABLES
        return found, beyond
