"""One tokenisation of a text for all metrics, as textstat 0.7.4 understands words and sentences.

* A token is what ``str.split`` gives; a word is a token that has a letter, digit or underscore,
  without its other characters ("don't" is one word, "dont"; "well-known" is one, "wellknown").
* A sentence ends at ``.``, ``!`` or ``?``, wherever that stands, and counts with three words.
* A term is what the list of easy words is asked for: "well-known" is two terms, "don't" is one.

Most tokens are their own word and term, apart from the punctuation around them. So each is made a
key, lower-case, with ``-`` for what separates terms inside it: text is split, and strings are
hashed, once for both.

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
_SEPARATORS = bytes(set(_PUNCTUATION + b".!?") - set(b"'="))
_MARKED = bytes.maketrans(_SEPARATORS + _SPACES, b"-" * len(_SEPARATORS) + b" " * len(_SPACES))

_MANY_MARKS = 32
_other_punctuation = re.compile(r"[^\w\s\x00-\x7f]+")
_other_punctuation_between_terms = re.compile(r"[^\w\s\x00-\x7f‘’]+")
_inside_keys = str.maketrans("", "", "-='‘’")


class Tokens(NamedTuple):
    """What the metrics count."""

    keys: list[str]
    """The tokens in their order; some stand for no word."""
    terms: set[str]
    """The different terms, lower-case; keys of one term are among them."""
    compounds: set[str]
    """The different keys that are no term: of several, or with a separator around them."""
    letters: int
    """Characters of the words."""
    characters: int
    """Characters that are no white space."""
    stops: int
    """Characters that end sentences."""
    sentences: int
    """Sentences of three words or more; at least 1."""
    foreign: frozenset[str]
    """The different characters outside ASCII, lower-case."""


def tokenize(text: str) -> Tokens:
    """Tokenise ``text``."""
    lowered = text.lower()
    foreign = _foreign_characters(lowered)
    marked = _marked(lowered, foreign)
    spaces = marked.count(" ") + sum([text.count(c) for c in foreign if c.isspace()])
    marked = _trimmed(marked)
    keys = marked.split()
    terms, compounds = set(keys), set[str]()
    if "-" in marked:
        compounds = {key for key in terms if "-" in key}
        terms -= compounds
        terms.update(" ".join(compounds).replace("-", " ").split())
    bare = _bare(lowered, foreign)
    stops = bare.count(".")
    return Tokens(
        keys=keys,
        terms=terms,
        compounds=compounds,
        letters=len(bare) - stops - spaces,
        characters=len(text) - spaces,
        stops=stops,
        sentences=_sentences(bare),
        foreign=foreign,
    )


def words_and_sentences(text: str) -> tuple[int, int]:
    """How many words ``text`` has, and how many sentences (at least 1)."""
    lowered = text.lower()
    bare = _bare(lowered, _foreign_characters(lowered))
    return len(bare.replace(".", "").split()), _sentences(bare)


def words_of(keys: set[str]) -> list[str]:
    """The word of each key or term, in the order of the set; empty where one stands for none."""
    return " ".join(keys).translate(_inside_keys).split(" ") if keys else []


def _foreign_characters(text: str) -> frozenset[str]:
    if text.isascii():
        return frozenset()
    return frozenset(_decoded(_encoded(text).translate(None, _ASCII)))


def _marked(lowered: str, foreign: frozenset[str]) -> str:
    """The text with a space for white space of ASCII and ``-`` for separators."""
    marks = [c for c in foreign if not (c.isalnum() or c.isspace() or c in "‘’")]
    if len(marks) > _MANY_MARKS:
        lowered = _other_punctuation_between_terms.sub("-", lowered)
    else:
        for mark in marks:
            lowered = lowered.replace(mark, "-")
    return _decoded(_encoded(lowered).translate(_MARKED))


def _trimmed(marked: str) -> str:
    """The text without most separators around words; one that is left only costs time."""
    if "--" in marked:
        marked = marked.replace("--", "-").replace("--", "-")
    # As long as before: that takes half the time.
    return marked.replace("- ", "  ").replace(" -", "  ").strip("-")


def _bare(lowered: str, foreign: frozenset[str]) -> str:
    """The words, and stops, between white space."""
    marks = [c for c in foreign if not (c.isalnum() or c.isspace())]
    if len(marks) > _MANY_MARKS:
        lowered = _other_punctuation.sub("", lowered)
    else:
        for mark in marks:
            lowered = lowered.replace(mark, "")
    return _decoded(_encoded(lowered).translate(_ENDS_AS_STOPS, _PUNCTUATION))


def _sentences(bare: str) -> int:
    # Splitting off two words is enough to see whether there is a third.
    return max(1, len([1 for part in bare.split(".") if len(part.split(None, 2)) == 3]))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
