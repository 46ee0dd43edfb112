"""The Dale-Chall list: words that a pupil of the fourth grade knows."""

from __future__ import annotations

from importlib.resources import files


def english_easy_words() -> frozenset[str]:
    """Read the list that this package ships.

    It is textstat 0.7.4's file, byte for byte (``data/LICENSE-textstat``: MIT). It is shipped
    rather than read from an installed textstat because the numbers must not depend on which
    version that is (the file was edited after 0.7.4, and its path there is private), nor on
    whether there is one; and because importing textstat takes 0.2 s, 30 MB and NLTK.

    Returns:
        2,941 lower-case words, some with an apostrophe or a hyphen.
    """
    data = files("clearml_otel.readability") / "data" / "easy_words.txt"
    return frozenset(data.read_text("utf-8").split())
