"""Reads the spans that this package's own LangChain instrumentation makes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import zip_longest
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard, cast

from clearml_otel import attributes as names
from clearml_otel.conventions.messages import Said, prompt_text, said_in
from clearml_otel.conventions.run import (
    NO_METRICS,
    Generation,
    Metric,
    Point,
    PointKind,
    Run,
    RunKind,
    Usage,
)
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
_LONGEST_NUMBER: Final = 18  # digits of what fits into 64 bits
_decoder: Final = json.JSONDecoder()
# an encoder with settings is made anew by each call of json.dumps
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_readable: Final = json.JSONEncoder(ensure_ascii=False, default=repr).encode
_sorted: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=repr).encode
_NOT_METRICS: Final = frozenset(
    {
        names.READABILITY_ENGINE,
        names.READABILITY_ENGINE_VERSION,
        names.READABILITY_GENERATIONS,
        names.READABILITY_LATER,
    }
)
_COUNTS: Final = (names.USAGE_INPUT_TOKENS, names.USAGE_OUTPUT_TOKENS, names.USAGE_TOTAL_TOKENS)
_SILENT: Final = Said(None)

Named: TypeAlias = "tuple[tuple[str, str], ...]"
"""Attributes, each with its name after the prefix."""


class _Prefixed(NamedTuple):
    metrics: Named
    metadata: Named


@lru_cache(maxsize=512)
def _prefixed(attributes: tuple[str, ...]) -> _Prefixed:
    """Which of a span's attributes are metrics and metadata; many spans have the same."""

    def after(prefix: str) -> Named:
        return tuple([(key, key[len(prefix) :]) for key in attributes if key.startswith(prefix)])

    metrics = [pair for pair in after(names.READABILITY_PREFIX) if pair[0] not in _NOT_METRICS]
    return _Prefixed(tuple(metrics), after(names.METADATA_PREFIX))


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
    prefixed = _prefixed(tuple(attributes))
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
        generations=_generations(attributes, prefixed.metrics) if answered else (),
        usage=_usage(attributes),
        model=_text(attributes, names.RESPONSE_MODEL) or _text(attributes, names.REQUEST_MODEL),
        input=_input(kind, attributes),
        output=_text(attributes, _OUTPUT_KEYS[kind]),
        description=_text(attributes, names.TOOL_DESCRIPTION),
        error_type=error_type,
        error_message=_text(attributes, names.ERROR_MESSAGE) if error_type else None,
        points=_points(span),
        stream_tokens=_integer(attributes, names.STREAM_TOKENS) or 0,
        time_to_first_chunk_s=_number(attributes, names.RESPONSE_TIME_TO_FIRST_CHUNK),
        interrupted=attributes.get(names.INTERRUPTED) is True,
        tags=_texts(attributes, names.TAGS),
        metadata=_metadata(attributes, prefixed.metadata),
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
        known = _decoded(arguments or "")
    except (ValueError, RecursionError):
        return arguments
    if not _is_object(known) or len(known) != 1:
        return arguments
    (only,) = known.values()
    return only if isinstance(only, str) else _compact(only)


def _usage(attributes: Attributes) -> Usage:
    asked, answered, total = [_integer(attributes, key) for key in _COUNTS]
    if asked is None and names.USAGE_INPUT_TOKENS not in attributes:
        asked = _integer(attributes, names.OWN_USAGE_INPUT_TOKENS)
    if answered is None and names.USAGE_OUTPUT_TOKENS not in attributes:
        answered = _integer(attributes, names.OWN_USAGE_OUTPUT_TOKENS)
    if total is None and asked is not None and answered is not None:
        total = asked + answered
    return Usage(asked, answered, total)


def _generations(attributes: Attributes, named: Named) -> tuple[Generation, ...]:
    told = _json(attributes, names.OUTPUT_MESSAGES)
    said = [said_in(message.get("parts")) for message in _objects(told)]
    if not said:
        # what was cut by a length limit is shown as it is; without content there are still
        # metrics, reasons and a row
        said = [Said(told) if isinstance(told, str) else _SILENT]
    finish = _texts(attributes, names.RESPONSE_FINISH_REASONS)
    metrics = _readability(attributes, named)
    logprobs = _json(attributes, names.LOGPROBS)
    per_choice = cast("list[object]", logprobs) if isinstance(logprobs, list) else []
    count = max(len(said), len(finish), len(metrics))
    return tuple(
        [
            Generation(
                (answer or _SILENT).text,
                reason or None,
                _json_text(odds),
                measured or NO_METRICS,
                (answer or _SILENT).tool_calls,
                (answer or _SILENT).reasoning,
            )
            for answer, reason, odds, measured in zip_longest(
                said, finish, per_choice[:count], metrics
            )
        ]
    )


def _readability(attributes: Attributes, named: Named) -> list[Mapping[str, Metric]]:
    several = _json(attributes, names.READABILITY_GENERATIONS)
    if several is not None:
        return [cast("Mapping[str, Metric]", item) for item in _objects(several)]
    metrics: dict[str, Metric] = {
        name: value
        for key, name in named
        if isinstance(value := attributes[key], (int, float, str))
    }
    return [metrics] if metrics else []


def _readability_source(attributes: Attributes) -> str | None:
    engine = _text(attributes, names.READABILITY_ENGINE)
    version = _text(attributes, names.READABILITY_ENGINE_VERSION)
    if engine is None and version is None:
        return None
    return " ".join(part for part in (engine, version) if part) or None


def _points(span: SpanRecord) -> tuple[Point, ...]:
    if not span.events and names.EVENTS_OVERFLOW not in span.attributes:
        return ()
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


def _metadata(attributes: Attributes, named: Named) -> str | None:
    found: dict[str, object] = {name: attributes[key] for key, name in named}
    rest = _json(attributes, names.METADATA_REST)
    if isinstance(rest, dict):
        found.update(cast("dict[str, object]", rest))
    return _sorted(found) if found else None


def _text(attributes: Attributes, key: str) -> str | None:
    value = attributes.get(key)
    return value if value is None or isinstance(value, str) else str(value)


def _texts(attributes: Attributes, key: str) -> tuple[str, ...]:
    value = attributes.get(key)
    return tuple([str(item) for item in value]) if isinstance(value, tuple) else ()


def _integer(attributes: Attributes, key: str) -> int | None:
    value = attributes.get(key)
    if value is None or type(value) is int:
        return value
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(attributes: Attributes, key: str) -> float | None:
    value = attributes.get(key)
    return float(value) if isinstance(value, (int, float)) else None


def _json(attributes: Attributes, key: str) -> object:
    value = attributes.get(key)
    if not isinstance(value, str):
        return value
    try:
        return _decoded(value)
    except (ValueError, RecursionError):
        # a value cut by the SDK's length limit is no JSON any more; its text is still worth having
        return value


def _decoded(text: str) -> object:
    """JSON read; most of it has no white space around it, which is cheaper to find out here."""
    if text.startswith(("[", "{")):
        found, end = _decoder.raw_decode(text)
        if end == len(text):
            return found
    return _decoder.decode(text)


def _json_text(value: object) -> str | None:
    return None if value is None else _readable(value)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _objects(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [item for item in cast("Iterable[object]", value) if _is_object(item)]
