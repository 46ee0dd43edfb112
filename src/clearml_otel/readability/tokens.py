"""One tokenisation of a text for all metrics, as textstat 0.7.4 understands words and sentences.

* A token is what ``str.split`` gives; a word is a token that has a letter, digit or underscore,
  without its other characters ("don't" is one word, "dont"; "well-known" is one, "wellknown").
* A sentence ends at ``.``, ``!`` or ``?``, wherever that stands, and counts with three words.
* A term is what the list of easy words is asked for: "well-known" is two terms, "don't" is one.

Lower-casing changes none of these counts, so the text is lower-cased once. Most characters are
ASCII and are sorted out by ``bytes.translate``, which leaves the longer sequences of UTF-8 as
they are; the few kinds of other punctuation in a text (quotes, dashes, bullets) are replaced one
by one. That is several times faster than regular expressions over the whole text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ASCII = bytes(range(128))
_SPACES = bytes(b for b in _ASCII if chr(b).isspace())
_WORD_CHARACTERS = bytes(b for b in _ASCII if chr(b).isalnum() or chr(b) == "_")
_PUNCTUATION = bytes(set(_ASCII) - set(_SPACES + _WORD_CHARACTERS + b".!?"))
_ENDS_AS_STOPS = bytes.maketrans(b"!?", b"..")
_TERM_CHARACTERS = _WORD_CHARACTERS + b"='"
_TERMS_ONLY = bytes(b if b in _TERM_CHARACTERS or b > 127 else ord(" ") for b in range(256))
_TERM_QUOTES = frozenset("‘’")

_MANY_MARKS = 32
_other_punctuation = re.compile(r"[^\w\s\x00-\x7f]+")
_other_punctuation_between_terms = re.compile(r"[^\w\s\x00-\x7f‘’]+")


class Tokens(NamedTuple):
    """What the metrics count."""

    words: list[str]
    """The words in their order, lower-case."""
    sentences: int
    """Sentences of three words or more; at least 1."""
    terms: set[str]
    """The different terms, lower-case."""
    characters: int
    """Characters that are no white space."""
    foreign: frozenset[str]
    """The different characters outside ASCII, lower-case."""


def tokenize(text: str) -> Tokens:
    """Tokenise ``text``."""
    lowered = text.lower()
    foreign = _foreign_characters(lowered)
    words, sentences = _words_and_sentences(lowered, foreign)
    return Tokens(words, sentences, _terms(lowered, foreign), _characters(text, foreign), foreign)


def words_and_sentences(text: str) -> tuple[list[str], int]:
    """The words of ``text``, lower-case, and how many sentences it has (at least 1)."""
    lowered = text.lower()
    return _words_and_sentences(lowered, _foreign_characters(lowered))


def _foreign_characters(text: str) -> frozenset[str]:
    if text.isascii():
        return frozenset()
    return frozenset(_decoded(_encoded(text).translate(None, _ASCII)))


def _words_and_sentences(lowered: str, foreign: frozenset[str]) -> tuple[list[str], int]:
    marks = [c for c in foreign if not (c.isalnum() or c.isspace())]
    if len(marks) > _MANY_MARKS:
        lowered = _other_punctuation.sub("", lowered)
    else:
        for mark in marks:
            lowered = lowered.replace(mark, "")
    bare = _decoded(_encoded(lowered).translate(_ENDS_AS_STOPS, _PUNCTUATION))
    # Splitting off two words is enough to see whether there is a third.
    sentences = sum(1 for part in bare.split(".") if len(part.split(None, 2)) == 3)
    return bare.replace(".", "").split(), max(1, sentences)


def _terms(lowered: str, foreign: frozenset[str]) -> set[str]:
    marks = [c for c in foreign - _TERM_QUOTES if not (c.isalnum() or c.isspace())]
    if len(marks) > _MANY_MARKS:
        lowered = _other_punctuation_between_terms.sub(" ", lowered)
    else:
        for mark in marks:
            lowered = lowered.replace(mark, " ")
    return set(_decoded(_encoded(lowered).translate(_TERMS_ONLY)).split())


def _characters(text: str, foreign: frozenset[str]) -> int:
    data = _encoded(text)
    spaces = len(data) - len(data.translate(None, _SPACES))
    return len(text) - spaces - sum(text.count(c) for c in foreign if c.isspace())


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
