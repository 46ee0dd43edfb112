"""What differs between the conventions of other instrumentations: names, in tables.

The logic that reads them is once in :mod:`clearml_otel.conventions.translation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from clearml_otel.conventions.foreign_values import Key

RunType: TypeAlias = Literal["llm", "chat_model", "chain", "tool", "retriever"]
"""Of a LangChain run; ``llm`` completes prompts, ``chat_model`` answers messages."""
Keys: TypeAlias = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Convention:
    """The names that one family of instrumentations uses; each tuple is tried in its order.

    Args:
        name: such as ``openinference``.
        scopes: instrumentation scopes, by the start of their names.
        marks: attributes that tell the convention where the scope's name does not.
        kinds: the run type of each value (in lower case) of the attributes ``kind``; a span with
            another value is no run.
        kind: the attributes that tell the kind of an operation.
        llm_marks: attributes of a model call that tells no kind.
        sees_langchain: whether its scopes may see LangChain runs, among other operations.
        encoded: whether every value is JSON, text included.
        names: the run's name by run type; the span's name else. ``""`` is for every run type.
        name_ends: what the span's name has after the run's name.
        inputs: by run type, for all but model calls.
        outputs: likewise.
        asked: a model's messages or prompts as one value.
        asked_lists: likewise, flattened by index.
        asked_before: instructions that stand before the messages.
        answered: a model's answers as one value.
        answered_lists: likewise, flattened by index.
        fields: our attribute's name to theirs, for text that needs no reading.
        tokens: our attribute's name to theirs.
        finish_reasons: as a list or as one text.
        tags: as a list, as JSON or separated by commas.
        metadata: as one object.
        metadata_prefixes: of attributes of which each is one entry.
        sessions: what names the session, the best first.
        failed: attributes that have this value where the operation failed.
        exception_fails: whether an exception event tells of a failure whatever the status says.
        error_types: the error's class, where it stands on the span and in no exception event.
        error_messages: likewise its message.
        content_events: span events whose attributes tell what the span's own do not.
        message_events: span events that are one message each, and who speaks.
        answer_events: span events that are one answer each.
        event_lists: attributes that hold such events as JSON, each with its ``event.name``.
        event_bodies: of these events, the attributes that hold all of it, or text and blocks.
        events: span events that are callbacks without duration: the name to our name and fields.
    """

    name: str
    scopes: tuple[str, ...]
    marks: tuple[str, ...]
    kinds: Mapping[str, RunType]
    kind: Keys
    llm_marks: tuple[str, ...] = ()
    sees_langchain: bool = False
    encoded: bool = False
    names: Mapping[str, Keys] = field(default_factory=dict[str, Keys])
    name_ends: tuple[str, ...] = ()
    inputs: Mapping[str, Keys] = field(default_factory=dict[str, Keys])
    outputs: Mapping[str, Keys] = field(default_factory=dict[str, Keys])
    asked: Keys = ()
    asked_lists: tuple[str, ...] = ()
    asked_before: Keys = ()
    answered: Keys = ()
    answered_lists: tuple[str, ...] = ()
    fields: Mapping[str, Keys] = field(default_factory=dict[str, Keys])
    tokens: Mapping[str, Keys] = field(default_factory=dict[str, Keys])
    finish_reasons: Keys = ()
    tags: Keys = ()
    metadata: Keys = ()
    metadata_prefixes: tuple[str, ...] = ()
    sessions: Keys = ()
    failed: Mapping[str, str] = field(default_factory=dict[str, str])
    exception_fails: bool = False
    error_types: Keys = ()
    error_messages: Keys = ()
    content_events: tuple[str, ...] = ()
    message_events: Mapping[str, str] = field(default_factory=dict[str, str])
    answer_events: tuple[str, ...] = ()
    event_lists: tuple[str, ...] = ()
    event_bodies: tuple[str, ...] = ()
    events: Mapping[str, tuple[str, Mapping[str, Keys]]] = field(
        default_factory=dict[str, tuple[str, Mapping[str, Keys]]]
    )
