"""Which texts are measured, and where: looks at a bounded part of each text."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter

_ASCII = bytes(range(128))
_ASCII_LETTERS = bytes(b for b in _ASCII if chr(b).isalpha())
_HEAD, _PART = 2_048, 1_024  # characters
_LONGEST_PARSED = 8_192  # characters
_CHARACTERS_A_WORD = 16  # with the space; English has 6, German 8, and URLs are few

_mark = re.compile(r"(?<![^\W_])redacted(?![^\W_])", re.IGNORECASE)
_json_begins = re.compile(r'\{\s*["}]|\[\s*(?:[\]\["{]|-?\d|true|false|null)').match


def is_prose(text: str) -> bool:
    """Whether the formulas say anything of ``text``.

    They count words between spaces, sentences and the syllables of English words, so they mean
    nothing for these, which are no prose:

    * a text without a letter: blank, numbers, emoji, ``**********``;
    * redaction marks alone: ``__REDACTED__``, ``[REDACTED]`` (a text with some between its
      words is prose);
    * a whole JSON object or array, in a fence (three backticks) or not;
    * a text with fewer than half of its letters in Latin script.

    Everything else is prose, code and Markdown too. Of a text of more than 4,096 characters only
    the beginning, the middle and the end are looked at, so a megabyte takes no longer.

    Args:
        text: the text as the model gave it.
    """
    sample = _sample(text)
    latin, others = _letters(sample)
    if latin == 0 or latin < others:
        return False
    if "redacted" in sample.lower() and _letters(_mark.sub("", sample)) == (0, 0):
        return False
    return not _is_json(text)


def within(text: str, max_words: int) -> bool:
    """Whether ``text`` is short enough to be measured at once.

    It has at most ``max_words`` words, and at most 16 characters for each of these, as one word
    may be a megabyte of base64. Looks at no more characters than that.

    Args:
        text: the text as the model gave it.
        max_words: words, as ``str.split`` finds them.
    """
    if len(text) > max_words * _CHARACTERS_A_WORD:
        return False
    return len(text.split(None, max_words)) <= max_words


def _sample(text: str) -> str:
    if len(text) <= _HEAD + 2 * _PART:
        return text
    middle = len(text) // 2
    return text[:_HEAD] + text[middle : middle + _PART] + text[-_PART:]


def _letters(sample: str) -> tuple[int, int]:
    """How many letters there are in Latin script, and in others."""
    data = sample.encode("utf-8", "surrogatepass")
    latin = len(data) - len(data.translate(None, _ASCII_LETTERS))
    others = 0
    if not sample.isascii():
        foreign = data.translate(None, _ASCII).decode("utf-8", "surrogatepass")
        for letter, number in Counter(foreign).items():
            if letter.isalpha():
                if unicodedata.name(letter, "").startswith("LATIN "):
                    latin += number
                else:
                    others += number
    return latin, others


def _is_json(text: str) -> bool:
    whole = len(text) <= _LONGEST_PARSED
    head = _unfenced(text) if whole else _unfenced(text[:_HEAD], end=False)
    tail = head if whole else _unfenced(text[-_PART:])
    if not (_json_begins(head) and tail.endswith(("}", "]"))):
        return False
    if not whole:
        return True
    try:
        json.loads(head)
    except ValueError:
        return False
    except RecursionError:
        pass
    return True


def _unfenced(text: str, *, end: bool = True) -> str:
    stripped = text.strip()
    if stripped.startswith("```"):
        stripped = stripped[3:].removeprefix("json").lstrip()
    return stripped.removesuffix("```").rstrip() if end else stripped
