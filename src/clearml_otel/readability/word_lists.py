"""The lists of words that this package ships."""

from __future__ import annotations

from importlib.resources import files


def english_easy_words() -> frozenset[str]:
    """Read the Dale-Chall list: words that a pupil of the fourth grade knows.

    It is textstat 0.7.4's file, byte for byte (``data/LICENSE-textstat``: MIT). It is shipped
    rather than read from an installed textstat because the numbers must not depend on which
    version that is (the file was edited after 0.7.4, and its path there is private), nor on
    whether there is one; and because importing textstat takes 0.2 s, 30 MB and NLTK.

    Returns:
        2,941 lower-case words, some with an apostrophe or a hyphen.
    """
    return _words("easy_words.txt")


def english_common_words() -> frozenset[str]:
    """Read the words that are frequent in ordinary English, inflected ones too.

    They change no number: what is known of them from the start need not be computed in a callback.
    Of the different words of 500 words of prose that are not on the other list, more than half are
    here; the next level of the source, three times as long, has a tenth of them more.

    Returns:
        Lower-case words of SCOWL's levels 10 and 20 (``data/LICENSE-scowl``).
    """
    return _words("common_words.txt")


def _words(name: str) -> frozenset[str]:
    data = files("clearml_otel.readability") / "data" / name
    return frozenset(data.read_text("utf-8").split())
