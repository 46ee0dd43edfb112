"""Spans of other instrumentations in this package's own terms: the logic, once for all tables.

A foreign span becomes the span that our own instrumentation would have made of what it tells, and
is read as such. What it does not tell is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from clearml_otel import attributes as names
from clearml_otel.conventions import clearml_otel as own
from clearml_otel.conventions.convention import Convention, RunType
from clearml_otel.conventions.foreign_messages import (
    Message,
    content_of,
    has_roles,
    messages_of,
    plain_content,
    with_blocks,
)
from clearml_otel.conventions.foreign_values import (
    decoded,
    fields_of,
    find,
    integer_of,
    is_object,
    items_of,
    parsed,
    text_of,
    unflattened,
)
from clearml_otel.conventions.run import Run
from clearml_otel.spans import Attributes, AttributeValue, SpanEvent, SpanRecord

Told: TypeAlias = Iterator[tuple[str, AttributeValue]]

_UNKNOWN_ERROR: Final = "_OTHER"
"""What OpenTelemetry's conventions write for an error whose class is not known."""
_UNKNOWN_MODELS: Final = frozenset({"unknown", "None", ""})
_TRACEBACK: Final = "Traceback (most recent call last):"
_REPR: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\((.*)\)", re.DOTALL)
_NO_ERRORS: Final = frozenset({"GraphBubbleUp", "GraphInterrupt", "NodeInterrupt", "ParentCommand"})
"""LangGraph's exceptions that steer a graph."""


def translate(span: SpanRecord, convention: Convention) -> Run | None:
    """The run behind a span of another instrumentation, or None where it is no run.

    Its run id is the span's id, and the parent is left to
    :func:`~clearml_otel.conventions.trees.read_runs`, which knows the other spans.
    """
    run_type = _run_type(span.attributes, convention)
    if run_type is None:
        return None
    told = dict(_attributes(span, convention, run_type))
    read = own.read(
        replace(
            span,
            scope_name=names.SCOPE_NAME,
            attributes=told,
            events=tuple(_events(span, convention)),
        )
    )
    return read._replace(span=span) if read is not None else None


def _run_type(attributes: Attributes, convention: Convention) -> RunType | None:
    kind = text_of(find(attributes, convention.kind, encoded=convention.encoded))
    if kind is not None:
        return convention.kinds.get(kind.lower())
    return "chat_model" if any(key in attributes for key in convention.llm_marks) else None


def _attributes(span: SpanRecord, convention: Convention, run_type: RunType) -> Told:
    attributes = span.attributes
    if span.events or any(key in attributes for key in convention.event_lists):
        attributes = _with_event_content(span, convention, run_type)
    if run_type in {"llm", "chat_model"}:
        asked = _asked(attributes, convention)
        run_type = _kind_of_model(run_type, asked)
        yield from _model_call(attributes, convention, asked[0] if asked else None)
    else:
        yield from _input_and_output(attributes, convention, run_type)
    yield names.RUN_TYPE, run_type
    yield names.RUN_ID, span.span_id
    yield names.RUN_NAME, _name(span, convention, run_type)
    yield from _error(span, convention)
    yield from _labels(attributes, convention)
    for key, theirs in convention.fields.items():
        value = find(attributes, theirs, encoded=convention.encoded)
        if isinstance(value, (str, int, float)) and value not in _UNKNOWN_MODELS:
            yield key, value
    # computed by the exporter, for they have none of their own
    for key, value in attributes.items():
        if key.startswith(names.READABILITY_PREFIX):
            yield key, value


def _kind_of_model(told: RunType, asked: tuple[list[Message], bool] | None) -> RunType:
    if asked is None:
        return told
    messages, as_chat = asked
    alone = len(messages) == 1 and messages[0]["role"] == "user"
    # a completion's prompt may be told as a user's message
    return "chat_model" if as_chat and not (told == "llm" and alone) else "llm"


def _name(span: SpanRecord, convention: Convention, run_type: str) -> str:
    keys = convention.names.get(run_type, convention.names.get("", ()))
    name = find(span.attributes, keys, encoded=convention.encoded)
    if isinstance(name, str):
        return name
    for end in convention.name_ends:
        if span.name.endswith(end) and span.name != end:
            return span.name[: -len(end)]
    return span.name


def _asked(attributes: Attributes, convention: Convention) -> tuple[list[Message], bool] | None:
    """What a model was asked, and whether as chat messages."""
    for prefix in convention.asked_lists:
        rows = list(map(with_blocks, unflattened(attributes, prefix)))
        found = messages_of(rows, "user")
        if found:
            return found, has_roles(rows)
    value = find(attributes, convention.asked, encoded=convention.encoded)
    prompts = items_of(value)
    if prompts and all(isinstance(prompt, str) for prompt in prompts):
        value = {"prompts": prompts}
    found = messages_of(value, "user")
    before = items_of(parsed(find(attributes, convention.asked_before)))
    system = messages_of([{"role": "system", "parts": before}], "system") if before else None
    if found is None and system is None:
        return None
    return [*(system or ()), *(found or ())], has_roles(value) or system is not None


def _answers(attributes: Attributes, convention: Convention) -> list[Message]:
    for prefix in convention.answered_lists:
        rows = list(map(with_blocks, unflattened(attributes, prefix)))
        found = messages_of(rows, "assistant")
        if found:
            return found
    value = find(attributes, convention.answered, encoded=convention.encoded)
    return messages_of(value, "assistant") or []


def _model_call(
    attributes: Attributes, convention: Convention, asked: list[Message] | None
) -> Told:
    if asked:
        yield names.INPUT_MESSAGES, text_of(asked)
    items = _answers(attributes, convention)
    answers = _as_one(items)
    if answers:
        yield names.OUTPUT_MESSAGES, text_of(answers)
    told = parsed(find(attributes, convention.finish_reasons))
    reasons = items_of(told) or [told]
    if len(answers) < len(items):
        reasons = reasons[-1:]
    if reasons == [None]:
        reasons = [answer.get("finish_reason") for answer in answers]
    if any(reasons):
        yield names.RESPONSE_FINISH_REASONS, tuple(str(reason or "") for reason in reasons)
    logprobs = [answer.get("logprobs") for answer in answers]
    if any(logprobs):
        yield names.LOGPROBS, text_of(logprobs)
    yield from _tokens(attributes, convention)


def _as_one(answers: list[Message]) -> list[Message]:
    """One answer that was told in items, as OpenAI's Responses API gives them; others as they are.

    Of the items of one answer, one at most is its text: the others are thoughts and tool calls.
    """
    texts = [
        answer for answer in answers if any(part["type"] == "text" for part in answer["parts"])
    ]
    if len(answers) < 2 or len(texts) > 1 or any(answer.get("logprobs") for answer in answers):
        return answers
    parts = [part for answer in answers for part in answer["parts"]]
    return [{**answers[-1], "role": "assistant", "parts": parts}]


def _tokens(attributes: Attributes, convention: Convention) -> Told:
    """The usage; the total of both counts where the convention has no name for it."""
    counts = {
        key: integer_of(find(attributes, theirs, encoded=convention.encoded))
        for key, theirs in convention.tokens.items()
    }
    asked, answered = counts[names.USAGE_INPUT_TOKENS], counts[names.USAGE_OUTPUT_TOKENS]
    if counts[names.USAGE_TOTAL_TOKENS] is None and asked is not None and answered is not None:
        counts[names.USAGE_TOTAL_TOKENS] = asked + answered
    for key, count in counts.items():
        if count is not None:
            yield key, count


def _input_and_output(attributes: Attributes, convention: Convention, run_type: str) -> Told:
    tool = run_type == "tool"
    ours = {
        "tool": (names.TOOL_INPUT, names.TOOL_CALL_RESULT),
        "retriever": (names.RETRIEVAL_QUERY, names.RETRIEVAL_DOCUMENTS),
    }.get(run_type, (names.CHAIN_INPUT, names.CHAIN_OUTPUT))
    for key, tables in zip(ours, (convention.inputs, convention.outputs), strict=True):
        value = find(
            attributes, tables.get(run_type, tables.get("", ())), encoded=convention.encoded
        )
        text = content_of(value) if tool else text_of(value)
        if text is not None:
            yield key, text
    documents = unflattened(attributes, "retrieval.documents")
    if run_type == "retriever" and documents:
        yield names.RETRIEVAL_DOCUMENTS, text_of(list(map(_document, documents)))


def _document(row: object) -> dict[str, Any]:
    fields = fields_of(fields_of(row).get("document")) or fields_of(row)
    told = {key: parsed(value) for key, value in fields.items()}
    return {key: value for key, value in told.items() if value is not None}


def _labels(attributes: Attributes, convention: Convention) -> Told:
    tags = parsed(find(attributes, convention.tags))
    if isinstance(tags, str):
        tags = [tag.strip() for tag in tags.split(",")]
    if items_of(tags):
        yield names.TAGS, tuple(str(tag) for tag in items_of(tags))
    metadata = fields_of(parsed(find(attributes, convention.metadata, encoded=convention.encoded)))
    for prefix in convention.metadata_prefixes:
        metadata |= {
            key[len(prefix) :]: decoded(value)
            for key, value in attributes.items()
            if key.startswith(prefix)
        }
    if metadata:
        yield names.METADATA_REST, text_of(metadata)


def _error(span: SpanRecord, convention: Convention) -> Told:
    event = _exception(span)
    failed = (
        span.status == "error"
        or (convention.exception_fails and bool(event))
        or any(span.attributes.get(key) == value for key, value in convention.failed.items())
    )
    if not failed:
        return
    kind = find(span.attributes, ("error.type", *convention.error_types)) or event.get(
        "exception.type"
    )
    message = (
        event.get("exception.message")
        or find(span.attributes, convention.error_messages)
        or span.status_description
    )
    error_type, error_message = _plain_error(str(kind or ""), str(message or ""))
    if error_type.rpartition(".")[2] in _NO_ERRORS:
        yield names.INTERRUPTED, True
        return
    yield names.ERROR_TYPE, error_type
    if error_message:
        yield names.ERROR_MESSAGE, error_message


def _exception(span: SpanRecord) -> Mapping[str, AttributeValue]:
    events = [event for event in span.events if event.name == "exception"]
    return events[-1].attributes if events else {}


def _plain_error(kind: str, message: str) -> tuple[str, str]:
    """Class and message of an error; some put both, and the traceback, into the message."""
    before, traceback, _ = message.partition(_TRACEBACK)
    shorter = before.rstrip() if traceback else message
    if traceback and (match := _REPR.fullmatch(shorter.strip())):
        said = match[2].strip()
        return match[1], said[1:-1] if said[:1] in {"'", '"'} and len(said) > 1 else said
    return kind or _UNKNOWN_ERROR, shorter


def _events(span: SpanRecord, convention: Convention) -> Iterator[SpanEvent]:
    for event in span.events:
        known = convention.events.get(event.name)
        if known is not None:
            name, fields = known
            told = {
                key: text_of(find(event.attributes, keys, encoded=convention.encoded))
                for key, keys in fields.items()
            }
            yield replace(event, name=name, attributes=told)


def _with_event_content(span: SpanRecord, convention: Convention, run_type: RunType) -> Attributes:
    """The span's attributes, and those that its content events carry where it has none itself."""
    attributes = dict(span.attributes)
    asked: list[Message] = []
    answered: list[Message] = []
    for event in (*span.events, *_told_events(span, convention)):
        if event.name in convention.content_events:
            attributes = {**event.attributes, **attributes}
        elif event.name in convention.message_events:
            speaker = convention.message_events[event.name]
            asked.append(_event_message(event, speaker, convention))
        elif event.name in convention.answer_events:
            answered.append(_event_message(event, "assistant", convention))
    if run_type == "tool":
        for key, told in ((names.TOOL_CALL_ARGUMENTS, asked), (names.TOOL_CALL_RESULT, answered)):
            if told:
                attributes.setdefault(key, text_of(plain_content(told[-1].get("content"))))
        return attributes
    if asked:
        attributes.setdefault(names.INPUT_MESSAGES, text_of(asked))
    if answered:
        attributes.setdefault(names.OUTPUT_MESSAGES, text_of(answered))
    return attributes


def _told_events(span: SpanRecord, convention: Convention) -> Iterator[SpanEvent]:
    """The events that an attribute holds as JSON."""
    for key in convention.event_lists:
        for item in items_of(parsed(span.attributes.get(key))):
            fields = fields_of(item)
            yield SpanEvent(str(fields.get("event.name")), span.start_time_ns, fields)


def _event_message(event: SpanEvent, speaker: str, convention: Convention) -> Message:
    """What an event says: in fields of its own, or in one that holds it all, text or blocks."""
    fields: Message = {"role": speaker, **event.attributes}
    for key in convention.event_bodies:
        told = parsed(fields.pop(key, None))
        if told is not None:
            fields |= fields_of(told) if is_object(told) else {"content": told}
    return {key: parsed(value) for key, value in fields.items()}
