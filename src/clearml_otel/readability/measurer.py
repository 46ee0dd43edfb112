"""Measuring where nothing may be raised: in callbacks and workers."""

from __future__ import annotations

from clearml_otel.diagnostics import report

from .engines import Engine, EngineError, check_name, load
from .names import SEED, Value
from .registry import measure_registered


class Measurer:
    """Computes an engine's metrics and the registered ones; safe to use from many threads.

    An engine that cannot work is reported once, by one line in the log that says what to do, and
    from then on the texts go without its metrics.

    Args:
        engine: ``"seed"`` or ``"textstat"``; see :func:`clearml_otel.readability.measure`.
        allow_download: whether ``"textstat"`` may download its dictionary.

    Raises:
        ValueError: there is no such ``engine``.
    """

    def __init__(self, engine: str = SEED, allow_download: bool = False) -> None:
        check_name(engine)
        self._name = engine
        self._allow_download = allow_download
        self._unavailable = False

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self._name

    @property
    def version(self) -> str:
        """What makes the numbers; empty if the engine cannot work. Loads the engine.

        Such as ``"textstat-0.7.4+pyphen-0.18.1"`` (seed: the version of textstat whose formulas
        it has) or ``"textstat-0.7.13+pyphen-0.18.1+nltk-cmudict-123455"`` (textstat: with the
        number of words of its dictionary).
        """
        engine = self._load()
        return engine.version if engine else ""

    def warm_up(self) -> None:
        """Load what the first measurement would load: patterns, or textstat's dictionary.

        That takes a tenth of a second for ``"seed"`` and about a second for ``"textstat"``, so it
        belongs in a background thread. Never raises.
        """
        self._load()

    def __call__(self, text: str) -> dict[str, Value]:
        """Measure ``text``.

        Returns:
            The engine's metrics in the order of ``METRICS``, then the registered ones in theirs;
            without those that could not be computed.

        Raises:
            TypeError: ``text`` is not a ``str``.
        """
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        # A subclass of str may override lower() or split(): take the plain string under it.
        plain = str.__str__(text)
        return {**self._measure(plain), **measure_registered(plain)}

    def _measure(self, text: str) -> dict[str, Value]:
        engine = self._load()
        if engine is None:
            return {}
        try:
            return engine.measure(text)
        except Exception as error:  # noqa: BLE001 - the application must not suffer
            report(
                f"readability.{self._name}.measure",
                f"readability: a text goes without metrics, as the engine {self._name!r} raised "
                f"{type(error).__name__}: {error}",
                exc_info=True,
            )
            return {}

    def _load(self) -> Engine | None:
        if self._unavailable:
            return None
        try:
            return load(self._name, allow_download=self._allow_download)
        except EngineError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - the application must not suffer
            problem = f"the engine {self._name!r} raised {type(error).__name__}: {error}"
        self._unavailable = True
        report(
            f"readability.{self._name}",
            f"readability metrics are left out: {problem}",
            exc_info=True,
        )
        return None
