"""A corpus that NLTK takes for CMU's pronouncing dictionary, made of any words.

The real one is not on any package index in the version that NLTK has, and nothing is downloaded
here. The number of syllables of a word is made up: that of its groups of vowels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


def write_fake_cmudict(data: Path, words: Iterable[str]) -> Path:
    """Write the corpus into a folder of NLTK's data.

    Args:
        data: what ``NLTK_DATA`` is to name.
        words: lower-case words of ASCII letters.

    Returns:
        The folder of the corpus.
    """
    folder = data / "corpora" / "cmudict"
    folder.mkdir(parents=True)
    lines = (f"{word.upper()} 1 {' '.join(_phones(word))}\n" for word in sorted(set(words)))
    (folder / "cmudict").write_text("".join(lines), "ascii")
    return folder


def _phones(word: str) -> list[str]:
    return ["T", *("AH1" for _ in re.findall("[aeiouy]+", word))]
