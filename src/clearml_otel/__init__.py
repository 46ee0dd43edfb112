"""LangChain runs as OpenTelemetry spans, and finished traces as ClearML tables.

The names are loaded when they are first used: importing this package starts nothing and imports
neither ClearML nor LangChain.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clearml_otel import lifecycle as lifecycle  # registers its exit handler early
from clearml_otel.version import __version__

if TYPE_CHECKING:
    from clearml_otel.configure import configure
    from clearml_otel.exporter import ClearMLSpanExporter, ClearMLSpanProcessor
    from clearml_otel.handler import ClearMLCallbackHandler
    from clearml_otel.langchain import LangChainInstrumentor
    from clearml_otel.settings import Settings, SettingsError
    from clearml_otel.tracker import Tracker

_MODULES = {
    "ClearMLCallbackHandler": "clearml_otel.handler",
    "ClearMLSpanExporter": "clearml_otel.exporter",
    "ClearMLSpanProcessor": "clearml_otel.exporter",
    "LangChainInstrumentor": "clearml_otel.langchain",
    "Settings": "clearml_otel.settings",
    "SettingsError": "clearml_otel.settings",
    "Tracker": "clearml_otel.tracker",
    "configure": "clearml_otel.configure",
}
_OF_LANGCHAIN = frozenset({"langchain", "langchain_core"})

__all__ = [
    "ClearMLCallbackHandler",
    "ClearMLSpanExporter",
    "ClearMLSpanProcessor",
    "LangChainInstrumentor",
    "Settings",
    "SettingsError",
    "Tracker",
    "__version__",
    "configure",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_LANGCHAIN:
            raise
        advice = f"{name} needs LangChain: python -m pip install 'clearml-otel[langchain]'"
        raise ModuleNotFoundError(advice, name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
