"""Whose spans a handler makes: the door between the callbacks and a tracker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from opentelemetry.context import Context

from clearml_otel import attributes as names
from clearml_otel.langchain.values import clean_text, to_text
from clearml_otel.session_context import SESSION_CONTEXT_KEY

_METADATA_KEYS: Final = ("session_id", "conversation_id", "thread_id")
_ANY_KEY: Final = frozenset(_METADATA_KEYS)
_NONE: Final[Mapping[str, str]] = {}


class Owner(Protocol):
    """What a handler asks its tracker."""

    def start_attributes(self) -> Mapping[str, str]:
        """Attributes of every span at its start, such as the tracker's id."""
        ...

    def point_noted(self) -> None:
        """A callback without duration was noted on an open span."""
        ...

    def end_attributes(self) -> Mapping[str, str]:
        """Attributes of every span at its end, such as the session that it ends in."""
        ...


def session_attributes(
    context: Context, metadata: Mapping[str, object] | None
) -> Mapping[str, str]:
    """The session that the surrounding context or LangChain's metadata names.

    Args:
        context: the OpenTelemetry context around the run.
        metadata: the callback's ``metadata``.

    Returns:
        ``session.id`` and ``gen_ai.conversation.id`` (readers look for either), and the tracker's
        own attribute where the name was given with ``Tracker.session``; empty if none is named.
    """
    name = context.get(SESSION_CONTEXT_KEY)
    if isinstance(name, str) and name:
        name = clean_text(name, 1_000)
        return {names.SESSION_NAME: name, names.SESSION_ID: name, names.CONVERSATION_ID: name}
    if not metadata or _ANY_KEY.isdisjoint(metadata):
        return _NONE
    for key in _METADATA_KEYS:
        value = metadata.get(key)
        # some values, such as pandas' NA, cannot be compared
        if value is not None and not (isinstance(value, str) and not value):
            break
    else:
        return _NONE
    session = clean_text(to_text(value), 1_000)
    return {names.SESSION_ID: session, names.CONVERSATION_ID: session}
