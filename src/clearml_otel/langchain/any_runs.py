"""What the spans of runs of every type say, at their start and at their end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span

from clearml_otel import attributes as names
from clearml_otel.langchain.content import Content
from clearml_otel.langchain.descriptions import metadata_attributes
from clearml_otel.langchain.owner import session_attributes
from clearml_otel.langchain.runs import OpenRun
from clearml_otel.session_context import SESSION_CONTEXT_KEY

_NOTHING: Final[Mapping[str, str]] = {}
_FEW: Final = 2
"""Attributes that the SDK sets faster one by one than together."""


def describe_start(
    attributes: dict[str, Any],
    kwargs: Mapping[str, Any],
    parent: OpenRun | None,
    current: Context,
    content: Content,
) -> Mapping[str, str]:
    """Add the run above, the session, tags and metadata.

    Args:
        attributes: of the span.
        kwargs: the callback's keywords.
        parent: the open run above, if it is known.
        current: the current context.
        content: which knows what tags and metadata may be kept.

    Returns:
        The attributes of the session, for the runs below.
    """
    if parent_id := kwargs.get("parent_run_id"):
        known = None if parent is None else parent.request.get(names.RUN_ID)
        attributes[names.RUN_PARENT_ID] = known or str(parent_id)
    metadata: Mapping[str, Any] | None = kwargs.get("metadata")
    session = _NOTHING if parent is None else parent.session
    if metadata or SESSION_CONTEXT_KEY in current:
        session = session_attributes(current, metadata) or session
    if session:
        attributes.update(session)
    if tags := kwargs.get("tags"):
        attributes[names.TAGS] = content.labels(tags, names.TAGS)
    if metadata and (told := metadata_attributes(metadata)):
        for key, value in told.items():
            attributes[key] = content.label(value, key) if type(value) is str else value
    return session


def describe_missing_start(attributes: dict[str, Any], *_: object) -> None:
    """Say that the run's end came and its start did not."""
    attributes[names.MISSING_START] = True


def describe_end(run: OpenRun, said: dict[str, Any]) -> None:
    """Add what was counted, and what found no room, while the run was open."""
    if run.tokens or run.events:
        said[names.STREAM_TOKENS] = max(run.tokens, run.events)
        # the parameters of many integrations do not tell a call of their stream()
        said[names.REQUEST_STREAM] = True
    if run.first_token_s is not None:
        said[names.RESPONSE_TIME_TO_FIRST_CHUNK] = run.first_token_s - run.started_s
    if run.overflow:
        # its texts are bounded already, and none of its entries may go
        said[names.EVENTS_OVERFLOW] = json.dumps(run.overflow, ensure_ascii=False)
    if names.TRUNCATED in said:
        said[names.TRUNCATED] = [*run.request.get(names.TRUNCATED, ()), *said[names.TRUNCATED]]


def put_on(span: Span, said: Mapping[str, Any]) -> None:
    """Set attributes on a span."""
    if len(said) > _FEW:
        span.set_attributes(said)
    else:
        for key, value in said.items():
            span.set_attribute(key, value)
