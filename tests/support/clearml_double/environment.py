"""The environment of a client: this double and nothing of the user's own ClearML set-up."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from .schemas import is_clearml_variable

# Blank counts as unset for the SDK; these would outrank or bypass the double's credentials.
_BLANKED = (
    "CLEARML_AUTH_TOKEN",
    "CLEARML_OFFLINE_MODE",
    "CLEARML_PROC_MASTER_ID",
    "CLEARML_TASK_ID",
)


class MonkeyPatch(Protocol):
    """The part of `pytest.MonkeyPatch` that is used here."""

    def setenv(self, name: str, value: str) -> None: ...
    def delenv(self, name: str, raising: bool = ...) -> None: ...
    def setattr(self, target: Any, name: str, value: Any) -> None: ...


def client_variables(
    api: str, web: str, files: str, credentials: tuple[str, str], home: Path
) -> dict[str, str]:
    """The variables that point a client process at a double.

    Args:
        api: URL of the API server.
        web: URL of the web application.
        files: URL of the file server.
        credentials: Access key and secret key.
        home: Folder for everything the SDK writes or reads beside the server.
    """
    config = home / "clearml.conf"
    config.touch()
    return {
        **dict.fromkeys(_BLANKED, ""),
        "CLEARML_API_HOST": api,
        "CLEARML_WEB_HOST": web,
        "CLEARML_FILES_HOST": files,
        "CLEARML_API_ACCESS_KEY": credentials[0],
        "CLEARML_API_SECRET_KEY": credentials[1],
        "CLEARML_CONFIG_FILE": str(config),
        "CLEARML_CACHE_DIR": str(home / "cache"),
        "CLEARML_SUPPRESS_UPDATE_MESSAGE": "1",
        # The SDK keeps its list of last used tasks in ~/.clearml whatever else is set.
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def without_clearml(environment: Mapping[str, str]) -> dict[str, str]:
    """A copy of an environment without anything the SDK would read."""
    return {name: value for name, value in environment.items() if not is_clearml_variable(name)}


@cache
def _defaults() -> Any:
    """The SDK's configuration without a file of the user's: parsing it takes 0.2 s."""
    return importlib.import_module("clearml.config").ConfigWrapper._init()


def adopt(monkeypatch: MonkeyPatch, variables: Mapping[str, str]) -> None:
    """Make this very process a client: its variables, and what the SDK has cached of them."""
    for name in list(os.environ):
        if is_clearml_variable(name):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config = importlib.import_module("clearml.config")
    session = importlib.import_module("clearml.backend_api.session").Session
    interface = importlib.import_module("clearml.backend_interface.base").InterfaceBase
    monkeypatch.setattr(config.ConfigWrapper, "_config", None)
    for target, name, value in (
        (config.ConfigWrapper, "_config", _defaults()),
        (config.ConfigSDKWrapper, "_config_sdk", None),
        (session, "_offline_mode", False),
        (session, "api_version", session._offline_default_version),
        (session, "max_api_version", session._offline_default_version),
        (interface, "_offline_mode", False),
        (interface, "_default_session", None),
    ):
        monkeypatch.setattr(target, name, value)
