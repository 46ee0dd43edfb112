"""The engines of the process: each is loaded once, whoever asks first."""

from __future__ import annotations

import os
import threading
from typing import Protocol

from .names import ENGINES, SEED, Value


class EngineError(Exception):
    """An engine cannot work here; the message is one line: what is wrong and what to do."""


class Engine(Protocol):
    """Measures texts; safe to use from many threads."""

    @property
    def version(self) -> str:
        """What makes the numbers: the formulas, and the data that they look words up in."""
        ...

    def measure(self, text: str) -> dict[str, Value]:
        """Compute the metrics of ``text``, a plain ``str``."""
        ...


_loaded: dict[str, Engine] = {}
_loading = threading.Lock()


def check_name(engine: str) -> None:
    """Refuse a name that is no engine's.

    Raises:
        ValueError: there is no such ``engine``.
    """
    if engine not in ENGINES:
        known = ", ".join(map(repr, ENGINES))
        raise ValueError(f"unknown readability engine {engine!r}; known engines: {known}")


def load(engine: str, *, allow_download: bool = False) -> Engine:
    """The one engine of this name; concurrent first calls wait for one load.

    Args:
        engine: one of ``ENGINES``.
        allow_download: whether a missing corpus may be fetched from the network.

    Raises:
        EngineError: it cannot work here. The next call tries again.
    """
    if found := _loaded.get(engine):
        return found
    with _loading:
        if engine not in _loaded:
            _loaded[engine] = _seed() if engine == SEED else _textstat(allow_download)
        return _loaded[engine]


def _seed() -> Engine:
    from .seed import SeedEngine

    try:
        return SeedEngine.load()
    except ImportError as error:
        raise EngineError(
            f"readability metrics need the package pyphen ({error}): pip install pyphen"
        ) from error


def _textstat(allow_download: bool) -> Engine:
    from .installed import InstalledTextstat

    return InstalledTextstat.load(allow_download=allow_download)


def _after_fork_in_child() -> None:
    global _loading
    _loading = threading.Lock()


if hasattr(os, "register_at_fork"):
    # A thread that was loading while another forked would leave the child's lock held for ever.
    os.register_at_fork(after_in_child=_after_fork_in_child)
