"""ReadableSpan, OTLP JSON (ours and the official codec) and OTLP protobuf give one record."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.json.common.trace_encoder import encode_spans as encode_json
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as encode_proto
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from clearml_otel.spans import SpanRecord, from_readable_span
from clearml_otel.spans.otlp_json import (
    from_otlp_json,
    read_otlp_json_lines,
    to_otlp_json_lines,
)
from clearml_otel.spans.otlp_proto import from_otlp_protobuf
from support.examples import examples

ATTRIBUTES: dict[str, Any] = {
    "text": "naïve 😀\n\u0000 text",
    "empty": "",
    "true": True,
    "false": False,
    "zero": 0,
    "least": -(2**63),
    "most": 2**63 - 1,
    "half": 0.5,
    "minus zero": -0.0,
    "tiny": 5e-324,
    "nan": float("nan"),
    "inf": float("inf"),
    "minus inf": float("-inf"),
    "bytes": b"\x00\xff",
    "none": None,
    "texts": ["a", "", "c"],
    "numbers": (1, 2, 3),
    "floats": [0.5, float("nan")],
    "mixed": ["a", 1, 0.5, True, None, b"x"],
    "nothing": [],
    "map": {"a": {"b": [1, {"c": None}]}, "d": b"\x01"},
    "empty map": {},
    "deep": [[["x"]]],
}


class Recorder:
    def __init__(self, **keywords: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **keywords)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("scope", "1.2")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())


def through_our_json(spans: list[ReadableSpan]) -> list[SpanRecord]:
    lines = to_otlp_json_lines(map(from_readable_span, spans))
    return [record for line in lines for record in from_otlp_json(line)]


def through_official_json(spans: list[ReadableSpan]) -> list[SpanRecord]:
    return from_otlp_json(encode_json(spans).to_json())


def through_protobuf(spans: list[ReadableSpan]) -> list[SpanRecord]:
    return from_otlp_protobuf(encode_proto(spans).SerializeToString())


WAYS: dict[str, Callable[[list[ReadableSpan]], list[SpanRecord]]] = {
    "ours": through_our_json,
    "official json": through_official_json,
    "protobuf": through_protobuf,
}


def comparable(value: Any) -> Any:
    """NaN is not equal to itself, and True is equal to 1."""
    if isinstance(value, Mapping):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [comparable(item) for item in value]
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else (repr(value),)
    return (type(value).__name__, value)


def fields(record: SpanRecord) -> dict[str, Any]:
    return {
        name: [
            {part: comparable(getattr(item, part)) for part in type(item).__slots__}
            for item in getattr(record, name)
        ]
        if name in {"events", "links"}
        else comparable(getattr(record, name))
        for name in SpanRecord.__slots__
    }


def assert_same(found: list[SpanRecord], wanted: list[SpanRecord]) -> None:
    def by_id(record: SpanRecord) -> str:
        return record.span_id

    got = [fields(record) for record in sorted(found, key=by_id)]
    assert got == [fields(record) for record in sorted(wanted, key=by_id)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", ATTRIBUTES)
def test_every_attribute_type(way: str, key: str) -> None:
    recorder = Recorder()
    recorder.tracer.start_span("s", attributes={key: ATTRIBUTES[key]}).end()
    wanted = [from_readable_span(span) for span in recorder.spans]
    assert list(wanted[0].attributes) == [key]
    assert_same(WAYS[way](recorder.spans), wanted)


@pytest.mark.parametrize("way", WAYS)
def test_everything_a_span_has(way: str) -> None:
    recorder = Recorder(
        resource=Resource({"service.name": "s", "list": ("a", "b")}, schema_url="https://x"),
        span_limits=SpanLimits(
            max_span_attributes=5, max_events=3, max_links=1, max_event_attributes=1
        ),
    )
    remote = SpanContext(
        7, 8, True, TraceFlags(TraceFlags.SAMPLED), TraceState([("vendor", "x"), ("b", "y")])
    )
    link = Link(SpanContext(1, 2, is_remote=False), {"why": "because"})
    parent = set_span_in_context(NonRecordingSpan(remote))
    with recorder.tracer.start_as_current_span(
        "parent", parent, SpanKind.SERVER, links=[link, link], attributes={"a": 1}
    ) as span:
        span.set_attributes({f"key{number}": number for number in range(9)})
        for number in range(5):
            span.add_event(f"event{number}", {"n": number, "m": 0}, 1_000 + number)
        for kind in SpanKind:
            recorder.tracer.start_span(kind.name, kind=kind).end()
        span.set_status(Status(StatusCode.ERROR, "broken: ünknown"))
    recorder.tracer.start_span("fine").set_status(Status(StatusCode.OK))
    fine = recorder.provider.get_tracer("other scope").start_span("fine")
    fine.set_status(Status(StatusCode.OK))
    fine.end()
    wanted = [from_readable_span(span) for span in recorder.spans]
    parent_record = next(record for record in wanted if record.name == "parent")
    assert parent_record.trace_id == f"{7:032x}"
    assert parent_record.parent_span_id == f"{8:016x}"
    assert parent_record.parent_is_remote is True
    assert parent_record.trace_state == "vendor=x,b=y"
    assert parent_record.status == "error"
    assert parent_record.dropped_attributes == 5
    assert parent_record.dropped_events == 2
    assert parent_record.dropped_links == 1
    assert parent_record.events[0].dropped_attributes == 1
    assert {record.kind for record in wanted} == {
        "internal",
        "server",
        "client",
        "producer",
        "consumer",
    }
    assert_same(WAYS[way](recorder.spans), wanted)


def test_an_open_span() -> None:
    recorder = Recorder()
    span = recorder.tracer.start_span("open")
    record = from_readable_span(span)  # type: ignore[arg-type]  # the SDK's span
    assert record.end_time_ns is None
    (line,) = to_otlp_json_lines([record])
    assert from_otlp_json(line) == [record]


def test_a_record_shares_nothing_with_its_span() -> None:
    recorder = Recorder()
    given = {"list": [1, 2]}
    span = recorder.tracer.start_span("s", attributes={"map": given})
    record = from_readable_span(span)  # type: ignore[arg-type]  # the SDK's span
    given["list"].append(3)
    span.set_attribute("later", 1)
    span.add_event("later")
    assert "later" not in record.attributes
    assert record.events == ()
    assert comparable(record.attributes)["map"] == {"list": [("int", 1), ("int", 2)]}


@pytest.mark.parametrize("number", [2**63, 10**30, -(10**30)])
def test_integers_beyond_64_bits_become_text(number: int) -> None:
    recorder = Recorder()
    recorder.tracer.start_span("s", attributes={"n": number}).end()
    (record,) = through_our_json(recorder.spans)
    assert record.attributes["n"] == str(number)


def test_lone_surrogates_do_not_cost_the_span() -> None:
    recorder = Recorder()
    recorder.tracer.start_span("s\ud800", attributes={"a\udfff": "b\ud800"}).end()
    lines = "".join(to_otlp_json_lines(map(from_readable_span, recorder.spans)))
    lines.encode("ascii")
    (record,) = from_otlp_json(lines)
    assert len(record.attributes) == 1
    assert record.name.startswith("s")


def test_records_of_several_resources_and_scopes_stay_apart() -> None:
    recorders = [Recorder(resource=Resource({"service.name": name})) for name in "ab"]
    for recorder in recorders:
        for scope in ("x", "y"):
            recorder.provider.get_tracer(scope).start_span("s").end()
    spans = [span for recorder in recorders for span in recorder.spans]
    mixed = [spans[index] for index in (2, 0, 3, 1)]
    lines = list(to_otlp_json_lines(map(from_readable_span, mixed)))
    assert len(lines) == 2
    assert_same(through_our_json(mixed), [from_readable_span(span) for span in spans])


def test_the_official_reader_reads_what_we_write() -> None:
    from opentelemetry.proto_json.trace.v1.trace import TracesData

    recorder = Recorder()
    recorder.tracer.start_span("s", attributes=ATTRIBUTES).end()
    (line,) = to_otlp_json_lines(map(from_readable_span, recorder.spans))
    data = TracesData.from_json(line)
    assert data.resource_spans[0].scope_spans[0].spans[0].name == "s"
    # strict JSON: no NaN, no Infinity
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_the_official_file_exporter_is_read(tmp_path: Path) -> None:
    from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter

    path = tmp_path / "spans.jsonl"
    recorder = Recorder()
    exporter = FileSpanExporter(str(path))
    recorder.provider.add_span_processor(SimpleSpanProcessor(exporter))
    for _ in range(3):
        recorder.tracer.start_span("s", attributes=ATTRIBUTES).end()
    recorder.provider.shutdown()
    assert_same(
        list(read_otlp_json_lines(path)), [from_readable_span(span) for span in recorder.spans]
    )


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), values, max_size=6))
@examples(60)
def test_any_attributes_come_back(attributes: dict[str, Any]) -> None:
    record = SpanRecord("0" * 31 + "1", "0" * 15 + "1", None, "s", 1, 2, attributes=attributes)
    (line,) = to_otlp_json_lines([record])
    assert_same(from_otlp_json(line), [record])


def test_reading_needs_no_sdk_and_no_protobuf() -> None:
    program = (
        "import sys, clearml_otel.spans.otlp_json, clearml_otel.records\n"
        "print([name for name in ('opentelemetry.sdk', 'google.protobuf', 'clearml')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
