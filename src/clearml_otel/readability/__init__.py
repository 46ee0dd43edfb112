"""Readability of a text: the page's 16 metrics in one pass, offline.

``measure`` is the door; :class:`Measurer` is the one for callbacks, which never raises and adds
the metrics that the application registered. ``is_prose`` and ``within`` say which texts are worth
it. Importing this package loads nothing; an engine is loaded once, by its first use.
"""

from __future__ import annotations

from .engines import EngineError, check_name, load
from .measurer import Measurer
from .names import ENGINES, METRICS, SEED, Value
from .prose import is_prose, within
from .registry import register, unregister

__all__ = [
    "ENGINE",
    "ENGINES",
    "METRICS",
    "EngineError",
    "Measurer",
    "engine_version",
    "is_prose",
    "measure",
    "register",
    "unregister",
    "within",
]

ENGINE = SEED
"""Name of the default engine."""


def measure(text: str, engine: str = ENGINE, allow_download: bool = False) -> dict[str, Value]:
    """Measure the readability of ``text``.

    Any ``str`` is accepted: blank, one word, lone surrogates, megabytes without a space. The
    formulas are made for prose, so for other texts the numbers are defined but say little.

    Args:
        text: the text as the model gave it; nothing is stripped or cut.
        engine: ``"seed"``: the numbers of textstat 0.7.3 and 0.7.4, equal in value and type,
            and 0.0 where those raise ``ZeroDivisionError`` (``gulpease_index`` and ``osman``
            of a text without a word); needs no corpus and no textstat.
            ``"textstat"``: those of the installed textstat (0.7.4 or later), whatever they are;
            from 0.7.9 on it needs NLTK's corpus cmudict. A metric that it raises for is left out.
        allow_download: whether ``"textstat"`` may download the corpus if it is missing.

    Returns:
        The metrics of ``METRICS``, in that order. ``difficult_words`` is an ``int``,
        ``text_standard`` a ``str`` such as ``"5th and 6th grade"``, the others are ``float``.

    Raises:
        TypeError: ``text`` is not a ``str``.
        ValueError: there is no such ``engine``.
        EngineError: a package or the corpus that the engine needs is missing.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    check_name(engine)
    # A subclass of str may override lower() or split(): take the plain string under it.
    return load(engine, allow_download=allow_download).measure(str.__str__(text))


def engine_version() -> str:
    """Version of what makes the default engine's numbers: of the formulas and of the patterns.

    Returns:
        Such as ``"textstat-0.7.4+pyphen-0.18.1"``; see also :attr:`Measurer.version`.

    Raises:
        ImportError: the package ``pyphen`` is missing.
    """
    from .seed import version

    return version()
