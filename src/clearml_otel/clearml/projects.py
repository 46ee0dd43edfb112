"""ClearML projects by their names."""

from __future__ import annotations

import re
from typing import Any

from clearml_otel.clearml.answers import RefusedError
from clearml_otel.clearml.connection import Connection
from clearml_otel.clearml.transport import TransportError

_PROJECT_EXISTS = 801


def find_or_create_project(connection: Connection, name: str) -> str:
    """The id of the project of that name, which is made where there is none.

    Raises:
        TransportError: it cannot be made, or is another user's.
    """
    found = _find_project(connection, name)
    if found:
        return found
    try:
        return str(connection.call("projects.create", name=name, description="")["id"])
    except RefusedError as error:
        if error.subcode != _PROJECT_EXISTS:
            raise
    found = _find_project(connection, name)  # another process was faster
    if not found:
        raise TransportError(
            f"ClearML's project {name} exists, but isn't found; it may be another user's",
            transient=True,
        )
    return found


def _find_project(connection: Connection, name: str) -> str:
    answer = connection.call(
        "projects.get_all",
        name=f"^{re.escape(name)}$",
        only_fields=["id", "name"],
        search_hidden=True,
    )
    projects: list[dict[str, Any]] = answer.get("projects") or []
    return next((str(each["id"]) for each in projects if each.get("name", name) == name), "")
