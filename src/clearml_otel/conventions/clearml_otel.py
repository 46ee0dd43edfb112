"""Reads the spans that this package's own LangChain instrumentation makes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeGuard, cast

from clearml_otel import attributes as names
from clearml_otel.conventions.messages import (
    prompt_text,
    reasoning_of_parts,
    text_of_parts,
    tool_calls_of_parts,
)
from clearml_otel.conventions.run import Generation, Metric, Point, PointKind, Run, RunKind, Usage
from clearml_otel.spans import Attributes, SpanRecord

_KINDS: Final[Mapping[str, RunKind]] = {
    "llm": "llm",
    "chat_model": "llm",
    "chain": "chain",
    "tool": "tool",
    "retriever": "retriever",
}
_POINTS: Final[Mapping[str, tuple[PointKind, Mapping[str, str]]]] = {
    names.EVENT_TEXT: ("text", {"text": names.EVENT_TEXT_VALUE}),
    names.EVENT_AGENT_ACTION: (
        "agent_action",
        {"tool": names.EVENT_TOOL, "tool_input": names.EVENT_TOOL_INPUT, "log": names.EVENT_LOG},
    ),
    names.EVENT_AGENT_FINISH: (
        "agent_finish",
        {"output": names.EVENT_OUTPUT, "log": names.EVENT_LOG},
    ),
    names.EVENT_RETRY: (
        "retry",
        {"attempt": names.EVENT_RETRY_ATTEMPT, "error_message": names.EVENT_RETRY_ERROR},
    ),
    names.EVENT_CUSTOM: (
        "custom_event",
        {"name": names.EVENT_CUSTOM_NAME, "data": names.EVENT_CUSTOM_DATA},
    ),
    names.EVENT_INTERRUPT: ("interrupt", {"data": names.EVENT_INTERRUPT_VALUE}),
    names.EVENT_RESUME: ("resume", {"data": names.EVENT_RESUME_VALUE}),
}
_INPUT_KEYS: Final[Mapping[RunKind, str]] = {
    "llm": names.CHAIN_INPUT,
    "chain": names.CHAIN_INPUT,
    "tool": names.TOOL_INPUT,
    "retriever": names.RETRIEVAL_QUERY,
}
_OUTPUT_KEYS: Final[Mapping[RunKind, str]] = {
    "llm": names.CHAIN_OUTPUT,
    "chain": names.CHAIN_OUTPUT,
    "tool": names.TOOL_CALL_RESULT,
    "retriever": names.RETRIEVAL_DOCUMENTS,
}
_PREFIXES: Final = (names.METADATA_PREFIX, names.READABILITY_PREFIX)
_LONGEST_NUMBER: Final = 18  # digits of what fits into 64 bits
_decode: Final = json.JSONDecoder().decode
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_NOT_METRICS: Final = frozenset(
    {
        names.READABILITY_ENGINE,
        names.READABILITY_ENGINE_VERSION,
        names.READABILITY_GENERATIONS,
        names.READABILITY_LATER,
    }
)


def read(span: SpanRecord) -> Run | None:
    """The run behind a span of this package, or None where the span is of another scope."""
    attributes = span.attributes
    run_type = _text(attributes, names.RUN_TYPE)
    run_id = _text(attributes, names.RUN_ID)
    if span.scope_name != names.SCOPE_NAME or run_id is None or run_type not in _KINDS:
        return None
    error_type = _text(attributes, names.ERROR_TYPE)
    kind = _KINDS[run_type]
    answered = kind == "llm" and error_type is None
    process, number = _position(attributes)
    has_end = span.end_time_ns is not None and attributes.get(names.UNFINISHED) is not True
    prefixed = [key for key in attributes if key.startswith(_PREFIXES)]
    return Run(
        span=span,
        kind=kind,
        name=_name(span, kind),
        run_id=run_id,
        parent_run_id=_text(attributes, names.RUN_PARENT_ID),
        process=process,
        start_seq=number,
        end_seq=_end_number(attributes, number) if has_end else _integer(attributes, names.END_SEQ),
        has_start=attributes.get(names.MISSING_START) is not True,
        has_end=has_end,
        batch_id=_text(attributes, names.BATCH_ID),
        batch_index=_integer(attributes, names.BATCH_INDEX) or 0,
        batch_size=_integer(attributes, names.BATCH_SIZE) or 1,
        prompts=prompt_text(_json(attributes, names.INPUT_MESSAGES), chat=run_type == "chat_model"),
        generations=_generations(attributes, prefixed) if answered else (),
        usage=_usage(attributes),
        model=_text(attributes, names.RESPONSE_MODEL) or _text(attributes, names.REQUEST_MODEL),
        input=_input(kind, attributes),
        output=_output(kind, attributes),
        description=_text(attributes, names.TOOL_DESCRIPTION),
        error_type=error_type,
        error_message=_text(attributes, names.ERROR_MESSAGE) if error_type else None,
        points=_points(span),
        stream_tokens=_integer(attributes, names.STREAM_TOKENS) or 0,
        time_to_first_chunk_s=_number(attributes, names.RESPONSE_TIME_TO_FIRST_CHUNK),
        interrupted=attributes.get(names.INTERRUPTED) is True,
        tags=_texts(attributes, names.TAGS),
        metadata=_metadata(attributes, prefixed),
        readability=_readability_source(attributes),
        artifact=_text(attributes, names.TOOL_ARTIFACT),
        truncated=_texts(attributes, names.TRUNCATED),
    )


def _name(span: SpanRecord, kind: RunKind) -> str | None:
    """The run's name, where it is told: it is the span's or the tool's else."""
    attributes = span.attributes
    if names.POSITION not in attributes or names.RUN_NAME in attributes:
        return _text(attributes, names.RUN_NAME)
    return (_text(attributes, names.TOOL_NAME) if kind == "tool" else None) or span.name


def _position(attributes: Attributes) -> tuple[str, int | None]:
    """The run's process and the number of its first callback, on newer and on older spans."""
    process, _, number = (_text(attributes, names.POSITION) or "").rpartition(":")
    if process and number.isdecimal() and len(number) <= _LONGEST_NUMBER:
        return process, int(number)
    process = _text(attributes, names.PROCESS_ID) or ""
    return process, _integer(attributes, names.START_SEQ)


def _end_number(attributes: Attributes, start: int | None) -> int | None:
    """The number of the run's last callback; that of the next one goes without saying."""
    if names.END_SEQ in attributes or start is None or names.POSITION not in attributes:
        return _integer(attributes, names.END_SEQ)
    return start + 1


def _input(kind: RunKind, attributes: Attributes) -> str | None:
    if kind == "tool" and names.TOOL_INPUT not in attributes:
        return _only_argument(_text(attributes, names.TOOL_CALL_ARGUMENTS))
    return _text(attributes, _INPUT_KEYS[kind])


def _only_argument(arguments: str | None) -> str | None:
    """A tool's only argument as it is; several as their JSON."""
    try:
        known: object = json.loads(arguments or "")
    except (ValueError, RecursionError):
        return arguments
    if not _is_object(known) or len(known) != 1:
        return arguments
    (only,) = known.values()
    return only if isinstance(only, str) else _compact(only)


def _output(kind: RunKind, attributes: Attributes) -> str | None:
    return _text(attributes, _OUTPUT_KEYS[kind])


def _usage(attributes: Attributes) -> Usage:
    asked = _tokens(attributes, names.USAGE_INPUT_TOKENS, names.OWN_USAGE_INPUT_TOKENS)
    answered = _tokens(attributes, names.USAGE_OUTPUT_TOKENS, names.OWN_USAGE_OUTPUT_TOKENS)
    total = _integer(attributes, names.USAGE_TOTAL_TOKENS)
    if total is None and asked is not None and answered is not None:
        total = asked + answered
    return Usage(asked, answered, total)


def _tokens(attributes: Attributes, key: str, own_key: str) -> int | None:
    return _integer(attributes, key if key in attributes else own_key)


def _generations(attributes: Attributes, prefixed: Sequence[str]) -> tuple[Generation, ...]:
    told = _json(attributes, names.OUTPUT_MESSAGES)
    # what was cut by a length limit is shown as it is
    cut = [{"parts": [{"type": "text", "content": told}]}] if isinstance(told, str) else []
    messages = _objects(told) or cut
    parts = [message.get("parts") for message in messages]
    finish = _texts(attributes, names.RESPONSE_FINISH_REASONS)
    logprobs = _json(attributes, names.LOGPROBS)
    per_choice = cast("list[object]", logprobs) if isinstance(logprobs, list) else []
    metrics = _readability(attributes, prefixed)
    # without content there are still metrics, reasons and a row
    count = max(len(parts), len(finish), len(metrics), 1)
    parts += [None] * (count - len(parts))
    return tuple(
        [
            Generation(
                text_of_parts(said),
                (finish[index] or None) if index < len(finish) else None,
                _json_text(per_choice[index]) if index < len(per_choice) else None,
                metrics[index] if index < len(metrics) else {},
                tool_calls_of_parts(said),
                reasoning_of_parts(said),
            )
            for index, said in enumerate(parts)
        ]
    )


def _readability(attributes: Attributes, prefixed: Sequence[str]) -> list[Mapping[str, Metric]]:
    several = _json(attributes, names.READABILITY_GENERATIONS)
    if several is not None:
        return [cast("Mapping[str, Metric]", item) for item in _objects(several)]
    prefix = names.READABILITY_PREFIX
    metrics: dict[str, Metric] = {}
    for key in prefixed:
        value = attributes[key]
        if (
            key.startswith(prefix)
            and key not in _NOT_METRICS
            and isinstance(value, (int, float, str))
        ):
            metrics[key[len(prefix) :]] = value
    return [metrics] if metrics else []


def _readability_source(attributes: Attributes) -> str | None:
    engine = _text(attributes, names.READABILITY_ENGINE)
    version = _text(attributes, names.READABILITY_ENGINE_VERSION)
    if engine is None and version is None:
        return None
    return " ".join(part for part in (engine, version) if part) or None


def _points(span: SpanRecord) -> tuple[Point, ...]:
    points = [
        _point(event.name, event.time_ns, event.attributes)
        for event in span.events
        if event.name in _POINTS
    ]
    if names.EVENTS_OVERFLOW not in span.attributes:
        return tuple(points)
    for entry in _objects(_json(span.attributes, names.EVENTS_OVERFLOW)):
        name, time_ns, values = entry.get("name"), entry.get("time_ns"), entry.get("attributes")
        if not isinstance(name, str) or name not in _POINTS:
            continue
        if isinstance(time_ns, int) and isinstance(values, dict):
            points.append(_point(name, time_ns, cast("Attributes", values)))
    return tuple(points)


def _point(name: str, time_ns: int, attributes: Attributes) -> Point:
    kind, fields = _POINTS[name]
    return Point(
        kind,
        time_ns,
        _integer(attributes, names.EVENT_SEQ),
        {column: _text(attributes, key) for column, key in fields.items()},
    )


def _metadata(attributes: Attributes, prefixed: Sequence[str]) -> str | None:
    prefix = names.METADATA_PREFIX
    found: dict[str, object] = {
        key[len(prefix) :]: attributes[key] for key in prefixed if key.startswith(prefix)
    }
    rest = _json(attributes, names.METADATA_REST)
    if isinstance(rest, dict):
        found.update(cast("dict[str, object]", rest))
    return json.dumps(found, sort_keys=True, ensure_ascii=False, default=repr) if found else None


def _text(attributes: Attributes, key: str) -> str | None:
    value = attributes.get(key)
    return value if value is None or isinstance(value, str) else str(value)


def _texts(attributes: Attributes, key: str) -> tuple[str, ...]:
    value = attributes.get(key)
    return tuple([str(item) for item in value]) if isinstance(value, tuple) else ()


def _integer(attributes: Attributes, key: str) -> int | None:
    value = attributes.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(attributes: Attributes, key: str) -> float | None:
    value = attributes.get(key)
    return float(value) if isinstance(value, (int, float)) else None


def _json(attributes: Attributes, key: str) -> object:
    value = attributes.get(key)
    if not isinstance(value, str):
        return value
    try:
        return _decode(value)
    except (ValueError, RecursionError):
        # a value cut by the SDK's length limit is no JSON any more; its text is still worth having
        return value


def _json_text(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=repr)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _objects(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [item for item in cast("Iterable[object]", value) if _is_object(item)]
