"""Span records of LangChain runs, made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import UUID

from clearml_otel.attributes import SCOPE_NAME
from clearml_otel.spans import SpanEvent, SpanRecord

SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND
_ids = count(1)


def run_record(
    run_type: str = "llm",
    start: int = 1,
    end: int | None = None,
    *,
    process: str = "p1",
    clock: int = NOON,
    trace: int = 1,
    **attributes: Any,
) -> SpanRecord:
    """A run from callback number `start` to callback number `end`, a second a number.

    Further keywords are attributes, a double underscore standing for each dot of their names.
    """
    number = next(_ids)
    last = start + 1 if end is None else end
    name = str(attributes.pop("name", "Echo"))
    own = {
        "langchain.run.id": str(UUID(int=number)),
        "langchain.run.type": run_type,
        "langchain.run.name": name,
        "langchain.process.id": process,
        "langchain.start.seq": start,
        "langchain.end.seq": last,
    }
    return SpanRecord(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent_span_id=None,
        name=name,
        start_time_ns=clock + start * SECOND,
        end_time_ns=clock + last * SECOND,
        attributes={**own, **{key.replace("__", "."): item for key, item in attributes.items()}},
        scope_name=SCOPE_NAME,
    )


def with_attributes(record: SpanRecord, **attributes: Any) -> SpanRecord:
    given = {key.replace("__", "."): item for key, item in attributes.items()}
    return replace(record, attributes={**record.attributes, **given})


def asked(prompt: str) -> str:
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": prompt}]}])


def answered(*texts: str) -> str:
    return json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": text}]} for text in texts]
    )


def call(prompt: str, start: int, end: int | None = None, **keywords: Any) -> SpanRecord:
    """A completion call that echoes its prompt."""
    return run_record(
        "llm",
        start,
        end,
        gen_ai__input__messages=asked(prompt),
        gen_ai__output__messages=answered(f"echo {prompt}"),
        **keywords,
    )


def text_event(seq: int, text: str, clock: int = NOON) -> SpanEvent:
    return SpanEvent(
        "langchain.text",
        clock + seq * SECOND,
        {"langchain.seq": seq, "langchain.text.value": text},
    )
