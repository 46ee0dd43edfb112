"""Our own spans read back as runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clearml_otel import attributes as names
from clearml_otel.conventions import Generation, Usage, read_run
from clearml_otel.conventions.run import Run
from clearml_otel.spans import SpanEvent, SpanRecord
from support.run_records import (
    NOON,
    answered,
    asked,
    call,
    run_record,
    text_event,
    with_attributes,
)


def read(run_type: str = "llm", **attributes: Any) -> Run:
    run = read_run(run_record(run_type, 1, 2, **attributes))
    assert run is not None
    return run


def test_a_call() -> None:
    record = call(
        "q",
        3,
        7,
        langchain__run__parent_id="p",
        langchain__batch__id="b",
        langchain__batch__index=2,
        langchain__batch__size=6,
        gen_ai__usage__input_tokens=1,
        gen_ai__usage__output_tokens=2,
        langchain__usage__total_tokens=3,
        gen_ai__request__model="asked-for",
        gen_ai__response__model="given",
        gen_ai__response__finish_reasons=("stop",),
        gen_ai__response__time_to_first_chunk=0.5,
        langchain__stream__tokens=9,
        langchain__tags=("a", "b"),
        langchain__metadata__user="ann",
        langchain__metadata_rest='{"b": [1]}',
        readability__difficult_words=1,
        readability__engine="seed",
    )
    run = read_run(record)
    assert run is not None
    assert (run.kind, run.name, run.parent_run_id) == ("llm", "Echo", "p")
    assert (run.start_seq, run.end_seq, run.process) == (3, 7, "p1")
    assert (run.batch_id, run.batch_index, run.batch_size) == ("b", 2, 6)
    assert run.usage == Usage(1, 2, 3)
    assert run.model == "given"
    assert run.prompts == "q"
    assert run.generations == (Generation("echo q", "stop", None, {"difficult_words": 1}),)
    assert (run.stream_tokens, run.time_to_first_chunk_s) == (9, 0.5)
    assert run.tags == ("a", "b")
    assert json.loads(str(run.metadata)) == {"user": "ann", "b": [1]}
    assert not run.failed
    assert run.has_start
    assert run.has_end


@pytest.mark.parametrize(
    "change",
    [
        {"scope_name": "openinference.instrumentation.langchain"},
        {"scope_name": ""},
        {"attributes": {}},
    ],
    ids=repr,
)
def test_other_spans_are_no_runs(change: dict[str, Any]) -> None:
    assert read_run(replace(call("q", 1, 2), **change)) is None


def test_run_types_of_other_versions_are_no_runs() -> None:
    assert read_run(run_record("embedding", 1, 2)) is None


@pytest.mark.parametrize(
    ("run_type", "kind", "in_key", "out_key"),
    [
        ("chain", "chain", names.CHAIN_INPUT, names.CHAIN_OUTPUT),
        ("tool", "tool", names.TOOL_INPUT, names.TOOL_CALL_RESULT),
        ("retriever", "retriever", names.RETRIEVAL_QUERY, names.RETRIEVAL_DOCUMENTS),
    ],
)
def test_inputs_and_outputs(run_type: str, kind: str, in_key: str, out_key: str) -> None:
    record = run_record(run_type, 1, 2)
    run = read_run(replace(record, attributes={**record.attributes, in_key: "i", out_key: "o"}))
    assert run is not None
    assert (run.kind, run.input, run.output) == (kind, "i", "o")
    assert run.generations == ()


def test_a_failed_call_has_no_generations() -> None:
    run = read(error__type="ValueError", langchain__error__message="boom")
    assert run.failed
    assert (run.error_type, run.error_message, run.generations) == ("ValueError", "boom", ())


def test_generations_and_what_belongs_to_each() -> None:
    run = read(
        gen_ai__output__messages=answered("a", "b", "c"),
        gen_ai__response__finish_reasons=("stop", "", "length"),
        langchain__generation__logprobs='[null, {"a": -0.5}, null]',
        readability__generations='[{"difficult_words": 1}, {}, {"difficult_words": 3}]',
        readability__difficult_words=1,
    )
    assert run.generations == (
        Generation("a", "stop", None, {"difficult_words": 1}),
        Generation("b", None, '{"a": -0.5}', {}),
        Generation("c", "length", None, {"difficult_words": 3}),
    )


def test_without_content_there_is_still_a_generation() -> None:
    assert read().generations == (Generation(),)
    assert len(read(gen_ai__response__finish_reasons=("stop", "stop")).generations) == 2


def test_a_chats_prompt_is_led_by_its_speaker() -> None:
    assert read("chat_model", gen_ai__input__messages=asked("q")).prompts == "Human: q"


def test_points_in_events_and_in_the_overflow() -> None:
    overflow = [
        {"name": names.EVENT_TEXT, "time_ns": NOON, "attributes": {"langchain.text.value": "c"}},
        {"name": "unknown", "time_ns": NOON, "attributes": {}},
        {"name": names.EVENT_TEXT, "time_ns": "soon", "attributes": {}},
        "… 3 more",
        None,
    ]
    record = run_record("chain", 1, 9, langchain__events_overflow=json.dumps(overflow))
    others = (SpanEvent("exception", NOON),)
    events = (text_event(2, "a"), *others, text_event(3, "b"))
    run = read_run(replace(record, events=events))
    assert run is not None
    assert [point.fields["text"] for point in run.points] == ["a", "b", "c"]
    assert [point.seq for point in run.points] == [2, 3, None]


def test_unfinished_and_missing_starts() -> None:
    assert not read(langchain__unfinished=True).has_end
    assert not read(langchain__missing_start=True).has_start
    still_open = read_run(replace(call("q", 1, 2), end_time_ns=None))
    assert still_open is not None
    assert not still_open.has_end


def test_broken_json_becomes_text() -> None:
    record = with_attributes(call("q", 1, 2), gen_ai__input__messages='[{"role": "us')
    run = read_run(record)
    assert run is not None
    assert run.prompts == '[{"role": "us'


def test_a_model_asked_for_stands_in_for_one_not_told() -> None:
    assert read(gen_ai__request__model="m").model == "m"


def newer(record: SpanRecord, **attributes: Any) -> Run:
    """Read as today's handler writes it: what goes without saying is left out."""
    older = ("langchain.process.id", "langchain.start.seq", "langchain.end.seq")
    kept = {key: value for key, value in record.attributes.items() if key not in older}
    kept.update({key.replace("__", "."): value for key, value in attributes.items()})
    run = read_run(replace(record, attributes=kept))
    assert run is not None
    return run


def where(run: Run) -> tuple[str, int | None, int | None]:
    return run.process, run.start_seq, run.end_seq


def test_older_and_newer_spans_tell_the_same_place() -> None:
    next_to_each_other, apart = run_record("chain", 17, 18), run_record("chain", 17, 30)
    read_of_older = read_run(next_to_each_other), read_run(apart)
    assert [where(run) for run in read_of_older if run is not None] == [
        where(newer(next_to_each_other, langchain__position="p1:17")),
        where(newer(apart, langchain__position="p1:17", langchain__end__seq=30)),
    ]


def test_an_open_run_has_no_end_that_goes_without_saying() -> None:
    record = replace(run_record("chain", 17), end_time_ns=None)
    assert where(newer(record, langchain__position="p1:17")) == ("p1", 17, None)


@pytest.mark.parametrize("position", ["", "p1", "p1:", ":17", "p1:x", "p1:" + "9" * 40, 17])
def test_a_broken_position_is_none(position: object) -> None:
    assert where(newer(run_record("chain", 17), langchain__position=position))[1:] == (None, None)


def test_a_name_that_is_not_told_is_the_spans_or_the_tools() -> None:
    def named(run_type: str, title: str, **attributes: Any) -> str | None:
        record = run_record(run_type, 1, 2)
        told = {key: item for key, item in record.attributes.items() if key != names.RUN_NAME}
        record = replace(record, name=title, attributes=told)
        return newer(record, langchain__position="p1:1", **attributes).name

    assert named("chain", "greet") == "greet"
    assert named("tool", "execute_tool search", gen_ai__tool__name="search") == "search"
    assert named("llm", "chat m", langchain__run__name="Model") == "Model"


def test_an_older_span_without_a_name_has_none() -> None:
    record = run_record("chain", 1, 2)
    told = {key: item for key, item in record.attributes.items() if key != names.RUN_NAME}
    run = read_run(replace(record, attributes=told))
    assert run is not None
    assert run.name is None
