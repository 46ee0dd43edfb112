"""Number of syllables of a word, by hyphenation patterns.

Franklin Liang's patterns put a level between some letters; a word may be broken where the
highest level of all patterns that fit is odd. pyphen finds the patterns by looking up every
substring of the word. Here they are compiled to an Aho-Corasick automaton, which finds all of
them with one table look-up per letter: same counts, about nine times faster, and nothing is
kept of the words (pyphen keeps every word it was asked for).
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Patterns = Mapping[str, tuple[int, Sequence[int]]]

_LEFT = _RIGHT = 2  # pyphen's own, which textstat leaves as they are
_BOUNDARY = "."
_BITS = 8  # per place between two letters: one bit for each level
_CHUNK = 64  # letters; keeps the integer of levels small, so that long words take linear time

# In a row of the transition table: the number of the state's level mask, then where to go for
# a character outside the patterns' alphabet, then for each character of the alphabet.
_MASK, _FOREIGN, _FIRST_LETTER = 0, 1, 2


class _Automaton(NamedTuple):
    transitions: array[int]
    """Rows of one state each; a state is the index of its row's first item."""
    masks: list[int]
    """Levels that the patterns ending at a state put behind each of the last letters."""
    columns: dict[str, int]
    """Character -> its place in a row."""
    window: int
    """Length of the longest pattern, in characters."""
    odd: bytes
    """Byte of level bits -> 1 if the highest is an odd level, else 0."""


class SyllableCounter:
    """Counts syllables as ``len(pyphen.positions(word)) + 1`` does.

    Args:
        patterns: letters -> offset of the first level, levels; as in pyphen's ``HyphDict``.
        left: fewest letters before a break.
        right: fewest letters after a break.

    Raises:
        ValueError: the patterns have more than eight different levels.
    """

    def __init__(self, patterns: Patterns, left: int, right: int) -> None:
        automaton = _compile(patterns)
        self._transitions, self._masks, self._columns, self._window, self._odd = automaton
        self._ascii_columns = bytes(self._columns.get(chr(b), _FOREIGN) for b in range(256))
        self._boundary = bytes([self._columns[_BOUNDARY]])
        self._start = self._transitions[self._columns[_BOUNDARY]]
        self._left, self._right = left, right

    def __call__(self, word: str) -> int:
        """Count the syllables of a lower-case word.

        Args:
            word: letters and digits; any other character only separates patterns.

        Returns:
            At least 1, also for an empty word.
        """
        size = len(word)
        if size < self._left + self._right:
            return 1
        if word.isascii():
            columns = word.encode().translate(self._ascii_columns) + self._boundary
        else:
            get = self._columns.get
            columns = bytes([get(letter, _FOREIGN) for letter in word]) + self._boundary
        places = self._levels(columns) if size < _CHUNK else self._levels_of_long(columns)
        # Index k is the place before letter k - 1: two are around the boundary before the word.
        return places.translate(self._odd).count(1, self._left + 1, size - self._right + 2) + 1

    def each(self, words: Sequence[str]) -> Iterator[int]:
        """Count the syllables of each word, in one pass over them all.

        Args:
            words: as for one word, but of ASCII letters and digits only.
        """
        columns = ".".join([*words, ""]).encode().translate(self._ascii_columns)
        # No pattern reaches across a boundary, and each word begins behind one.
        count_places = self._levels_of_long(columns).translate(self._odd).count
        begin = self._left + 1
        margins = self._left + self._right
        for word in words:
            end = begin + len(word)
            yield count_places(1, begin, end - margins + 1) + 1
            begin = end + 1

    def _levels(self, columns: bytes) -> bytes:
        transitions, masks, state = self._transitions, self._masks, self._start
        levels = 0
        for column in columns:
            state = transitions[state + column]
            levels = levels << _BITS | masks[transitions[state]]
        return levels.to_bytes(len(columns) + 2, "big")

    def _levels_of_long(self, columns: bytes) -> bytes:
        transitions, masks, state = self._transitions, self._masks, self._start
        levels = 0
        pending = (1 << _BITS * self._window) - 1  # later patterns may reach back this far
        parts = [bytes(2)]
        for begin in range(0, len(columns), _CHUNK):
            chunk = columns[begin : begin + _CHUNK]
            for column in chunk:
                state = transitions[state + column]
                levels = levels << _BITS | masks[transitions[state]]
            parts.append((levels >> _BITS * self._window).to_bytes(len(chunk), "big"))
            levels &= pending
        parts.append(levels.to_bytes(self._window, "big"))
        # The parts lag by the window, which the first of them has as leading zeros.
        return b"".join(parts)[self._window :]


def english_syllables() -> SyllableCounter:
    """Load pyphen's en_US patterns.

    Raises:
        ImportError: the package ``pyphen`` is missing.
    """
    from pyphen import Pyphen

    # Uncached: once compiled, the parsed patterns need not stay in memory.
    hyphens = Pyphen(lang="en_US", left=_LEFT, right=_RIGHT, cache=False)
    return SyllableCounter(hyphens.hd.patterns, _LEFT, _RIGHT)


def _compile(patterns: Patterns) -> _Automaton:
    prefixes = sorted({p[:end] for p in patterns for end in range(len(p) + 1)}, key=len)
    alphabet = sorted({_BOUNDARY}.union(*patterns))
    columns = {character: i for i, character in enumerate(alphabet, _FIRST_LETTER)}
    width = len(alphabet) + _FIRST_LETTER
    states = {prefix: i * width for i, prefix in enumerate(prefixes)}
    children: dict[str, list[str]] = {}
    for prefix in prefixes[1:]:
        children.setdefault(prefix[:-1], []).append(prefix)
    bits, odd = _level_bits(patterns)

    transitions = array("i", bytes(array("i").itemsize * width * len(prefixes)))
    numbers = {0: 0}  # mask -> its place in the list of masks
    own_masks: dict[int, int] = {}
    # The state to go on from where a state has no child of its own: that of its longest proper
    # suffix. Shorter prefixes come first, so its row is complete when it is copied.
    fallback = {"": 0}
    for prefix in prefixes:
        state, suffix = states[prefix], fallback[prefix]
        mask = own_masks.get(suffix, 0)
        if prefix in patterns:
            mask |= _mask(prefix, *patterns[prefix], bits)
        own_masks[state] = mask
        transitions[state : state + width] = transitions[suffix : suffix + width]
        transitions[state] = numbers.setdefault(mask, len(numbers))
        for child in children.get(prefix, ()):
            column = columns[child[-1]]
            fallback[child] = transitions[suffix + column] if prefix else 0
            transitions[state + column] = states[child]
    return _Automaton(transitions, list(numbers), columns, max(map(len, prefixes)), odd)


def _level_bits(patterns: Patterns) -> tuple[dict[int, int], bytes]:
    """Level -> bit, higher for higher levels; and the table from byte of bits to odd or not."""
    found = sorted({level for _, levels in patterns.values() for level in levels} - {0})
    if len(found) > _BITS:
        raise ValueError(f"hyphenation patterns with more than {_BITS} different levels: {found}")
    odd = bytearray(1 << _BITS)
    for highest, level in enumerate(found):
        odd[1 << highest : 2 << highest] = bytes([level % 2]) * (1 << highest)
    return {0: 0} | {level: 1 << i for i, level in enumerate(found)}, bytes(odd)


def _mask(pattern: str, offset: int, levels: Sequence[int], bits: Mapping[int, int]) -> int:
    """Level bits of one pattern: the lowest byte is the place behind its last character."""
    mask = 0
    for place, level in enumerate(levels, offset):
        mask |= bits[level] << _BITS * (len(pattern) - place)
    return mask
