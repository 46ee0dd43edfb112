"""The JSON schemas inside the ClearML SDK's request and response classes."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing.exceptions import Unresolvable

Version = tuple[int, ...]

SERVICES = "clearml.backend_api.services"
# The event type in a line of events.add_batch -> its definition in the schema of events.add.
_EVENT_DEFINITIONS = {
    "training_stats_scalar": "metrics_scalar_event",
    "training_stats_vector": "metrics_vector_event",
    "training_debug_image": "metrics_image_event",
    "plot": "metrics_plot_event",
    "log": "task_log_event",
}
# A property of the SDK's request objects that ends up in every body.
_LEAKED_BY_THE_SDK = {"method"}
_CHECKED_FOR_UNKNOWN_FIELDS = ("models", "projects", "tasks")
_import_lock = threading.Lock()


def import_sdk() -> None:
    """Import the SDK as if no ClearML variable was set: several of them are read at import."""
    with _import_lock, _without_clearml_variables():
        importlib.import_module(SERVICES)


@contextmanager
def _without_clearml_variables() -> Iterator[None]:
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if is_clearml_variable(name)}
    try:
        yield
    finally:
        os.environ.update(hidden)


def is_clearml_variable(name: str) -> bool:
    """Whether the SDK reads configuration from this environment variable."""
    return name.startswith(("CLEARML_", "TRAINS_"))


def parse_version(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


@cache
def _sdk_versions() -> tuple[Version, ...]:
    services = importlib.import_module(SERVICES)
    names = [module.name for module in pkgutil.iter_modules(services.__path__)]
    return tuple(
        sorted(
            parse_version(name[1:].replace("_", ".")) for name in names if re.match(r"v\d", name)
        )
    )


@cache
def _actions(service: str, version: Version) -> dict[str, tuple[type, type | None]]:
    """Action -> (request class, response class) of one service module of the SDK."""
    path = f"{SERVICES}.v{'_'.join(map(str, version))}"
    try:
        module = importlib.import_module(f"{path}.{service}")
    except ModuleNotFoundError:
        return {}
    found: dict[str, tuple[type, type | None]] = {}
    for name, item in vars(module).items():
        if isinstance(item, type) and name.endswith("Request") and getattr(item, "_action", None):
            response = getattr(module, name.removesuffix("Request") + "Response", None)
            found[item._action] = (item, response)
    return found


def _classes(name: str, version: Version | None) -> tuple[type | None, type | None]:
    """The classes of the newest SDK module that is not newer than the requested version."""
    service, _, action = name.partition(".")
    known = _sdk_versions()
    usable = [item for item in known if version is None or item <= version]
    return _actions(service, usable[-1]).get(action, (None, None)) if usable else (None, None)


def is_clearml_endpoint(name: str) -> bool:
    """Whether any version of the SDK knows this `service.action`."""
    return any(_classes(name, version)[0] for version in _sdk_versions())


@cache
def _known_fields(name: str) -> frozenset[str]:
    """The fields of an endpoint in any version: the SDK sends some that an old schema lacks."""
    fields = set(_LEAKED_BY_THE_SDK)
    for version in _sdk_versions():
        request, _ = _classes(name, version)
        if request is not None:
            fields.update(request._schema.get("properties", {}))
    return frozenset(fields)


@cache
def _validator(owner: type) -> Draft7Validator:
    return Draft7Validator(owner._schema)


@cache
def _event_validator(version: Version | None, definition: str) -> Draft7Validator:
    request, _ = _classes("events.add", version)
    if request is None:
        raise LookupError(f"the SDK has no events.add for version {version}")
    definitions = request._schema["definitions"]
    return Draft7Validator({"$ref": f"#/definitions/{definition}", "definitions": definitions})


def request_problem(name: str, version: Version | None, body: Any) -> str | None:
    """What is wrong with a request body, in one line, or None."""
    request, _ = _classes(name, version)
    if request is None:
        return None
    error = best_match(_validator(request).iter_errors(body))
    if error is not None:
        return _one_line(error)
    service, _, action = name.partition(".")
    if service in _CHECKED_FOR_UNKNOWN_FIELDS and not action.startswith("get_"):
        unknown = sorted(set(body) - _known_fields(name))
        if unknown:
            return f"fields that are not in the schema: {', '.join(unknown)}"
    return None


def event_problem(version: Version | None, event: Any) -> str | None:
    """What is wrong with one event (a body of events.add, a line of events.add_batch), or None."""
    if not isinstance(event, dict):
        return f"an event must be a JSON object, not {type(event).__name__}"
    definition = _EVENT_DEFINITIONS.get(str(event.get("type")))
    if definition is None:
        return f"no such event type: {event.get('type')!r}"
    # The SDK itself sends the levels of tasks other than the main one in capitals, and the
    # server takes them; its schema has only small letters.
    if definition == "task_log_event" and isinstance(event.get("level"), str):
        event = {**event, "level": event["level"].lower()}
    error = best_match(_event_validator(version, definition).iter_errors(event))
    return None if error is None else _one_line(error)


def response_problem(name: str, version: Version | None, data: Any) -> str | None:
    """What the SDK would find wrong with an answer of the double, or None."""
    _, response = _classes(name, version)
    if response is None or response._schema is None:
        return None
    try:
        error = best_match(_validator(response).iter_errors(data))
    except Unresolvable:
        # A few response classes refer to definitions the SDK does not ship.
        return None
    return None if error is None else _one_line(error)


def _one_line(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    text = error.message if len(error.message) < 300 else error.message[:297] + "..."
    return f"{where}: {text}" if where else text
