"""Readability of a text: the page's 16 metrics in one pass, offline.

``measure`` is the door. Importing this package loads nothing; the hyphenation patterns and the
word list are loaded once, by the first call.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .seed import SeedEngine

__all__ = ["ENGINE", "METRICS", "engine_version", "measure"]

ENGINE = "seed"
"""Name of the default engine."""

METRICS: tuple[str, ...] = (
    "flesch_reading_ease",
    "flesch_kincaid_grade",
    "smog_index",
    "coleman_liau_index",
    "automated_readability_index",
    "dale_chall_readability_score",
    "difficult_words",
    "linsear_write_formula",
    "gunning_fog",
    "text_standard",
    "fernandez_huerta",
    "szigriszt_pazos",
    "gutierrez_polini",
    "crawford",
    "gulpease_index",
    "osman",
)
"""Names of the metrics, in the order of the page's columns."""

_engine: SeedEngine | None = None
_loading = threading.Lock()


def measure(text: str, engine: str = ENGINE) -> dict[str, float | int | str]:
    """Measure the readability of ``text``.

    Any ``str`` is accepted: blank, one word, lone surrogates, megabytes without a space. The
    formulas are made for prose, so for other texts the numbers are defined but say little.

    Args:
        text: the text as the model gave it; nothing is stripped or cut.
        engine: ``"seed"``: the numbers of textstat 0.7.3 and 0.7.4, equal in value and type,
            and 0.0 where those raise ``ZeroDivisionError`` (``gulpease_index`` and ``osman``
            of a text without a word).

    Returns:
        The metrics of ``METRICS``, in that order. ``difficult_words`` is an ``int``,
        ``text_standard`` a ``str`` such as ``"5th and 6th grade"``, the others are ``float``.

    Raises:
        TypeError: ``text`` is not a ``str``.
        ValueError: there is no such ``engine``.
        ImportError: the package ``pyphen`` is missing.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    if engine != ENGINE:
        raise ValueError(f"unknown readability engine {engine!r}; known engines: {ENGINE!r}")
    # A subclass of str may override lower() or split(): take the plain string under it.
    return (_engine or _load()).measure(str.__str__(text))


def engine_version() -> str:
    """Version of what makes the numbers: that of the formulas and that of the patterns.

    Returns:
        Such as ``"textstat-0.7.4+pyphen-0.18.1"``.

    Raises:
        ImportError: the package ``pyphen`` is missing.
    """
    from .seed import version

    return version()


def _load() -> SeedEngine:
    """The one engine of the process; concurrent first calls wait for one load."""
    global _engine
    with _loading:
        if _engine is None:
            from .seed import SeedEngine

            _engine = SeedEngine.load()
        return _engine


def _after_fork_in_child() -> None:
    global _loading
    _loading = threading.Lock()


if hasattr(os, "register_at_fork"):
    # A thread that was loading while another forked would leave the child's lock held for ever.
    os.register_at_fork(after_in_child=_after_fork_in_child)
