"""What is no trace data ends in one line that says so, and nothing else is ever raised."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_otel.spans import SpanDecodeError, SpanRecord
from clearml_otel.spans.otlp_json import from_otlp_json, read_otlp_json_lines, to_otlp_json_lines
from clearml_otel.spans.otlp_proto import from_otlp_protobuf
from support.examples import examples

IDS = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1"}
GOOD = SpanRecord("0" * 31 + "1", "0" * 15 + "1", None, "good", 1, 2)
(LINE,) = to_otlp_json_lines([GOOD])


def document(**span: Any) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{**IDS, **span}]}]}]})


def decoded(**span: Any) -> SpanRecord:
    (record,) = from_otlp_json(document(**span))
    return record


def assert_one_line(error: SpanDecodeError) -> None:
    assert str(error)
    assert len(str(error).splitlines()) == 1
    str(error).encode("utf-8")


# -- JSON --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "nonsense",
        LINE[:-1],
        LINE[: len(LINE) // 2],
        LINE + LINE,
        "null",
        "3",
        "[]",
        '"text"',
        '{"resourceLogs": []}',
        '{"resourceMetrics": [], "a\\nb": 1}',
        '{"a\\ud800": 1}',
        '{"resourceSpans": {}}',
        '{"resourceSpans": 3}',
        '{"resourceSpans": [null]}',
        '{"resourceSpans": [[]]}',
        '{"resourceSpans": [{"scopeSpans": {}}]}',
        '{"resourceSpans": [{"resource": 3}]}',
        '{"resourceSpans": [{"resource": {"attributes": {"a": 1}}}]}',
        '{"resourceSpans": [{"scopeSpans": [{"scope": "s"}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [null]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}',
        b"\xff\xfe",
        b"\x80\x81\x82",
        b"\x1f\x8b\x08\x00garbage",
        "[" * 100_000,
        '{"resourceSpans": ' * 50_000,
    ],
)
def test_no_trace_data(body: str | bytes) -> None:
    with pytest.raises(SpanDecodeError) as caught:
        from_otlp_json(body)
    assert_one_line(caught.value)


@pytest.mark.parametrize(
    "span",
    [
        {"traceId": ""},
        {"traceId": None},
        {"traceId": "00"},
        {"traceId": "0" * 33},
        {"traceId": "g" * 32},
        {"traceId": 3},
        {"spanId": "0" * 32},
        {"spanId": "é" * 16},
        {"parentSpanId": "01"},
        {"parentSpanId": "xyz"},
        {"parentSpanId": ["0" * 16]},
        {"name": 3},
        {"name": ["s"]},
        {"kind": "SPAN_KIND_OTHER"},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": 1.5},
        {"startTimeUnixNano": "9" * 5_000},
        {"startTimeUnixNano": str(10**30)},
        {"startTimeUnixNano": "-1"},
        {"endTimeUnixNano": {"s": 1}},
        {"attributes": {"a": 1}},
        {"attributes": [{"key": 3, "value": {"intValue": "1"}}]},
        {"attributes": [{"key": "a", "value": 3}]},
        {"attributes": [{"key": "a", "value": {"intValue": "1e3"}}]},
        {"attributes": [{"key": "a", "value": {"intValue": "9" * 30}}]},
        {"attributes": [{"key": "a", "value": {"boolValue": "true"}}]},
        {"attributes": [{"key": "a", "value": {"doubleValue": "big"}}]},
        {"attributes": [{"key": "a", "value": {"bytesValue": "a"}}]},
        {"attributes": [{"key": "a", "value": {"arrayValue": [1]}}]},
        {"attributes": [{"key": "a", "value": {"kvlistValue": {"values": 3}}}]},
        {"events": [{"timeUnixNano": "x"}]},
        {"events": [3]},
        {"links": [{"traceId": "00", "spanId": "00"}]},
        {"links": "none"},
        {"status": {"code": "ERROR"}},
        {"status": 2},
        {"flags": "1"},
        {"droppedAttributesCount": "1"},
    ],
    ids=lambda span: json.dumps(span)[:60],
)
def test_malformed_spans(span: dict[str, Any]) -> None:
    with pytest.raises(SpanDecodeError) as caught:
        from_otlp_json(document(**span))
    assert_one_line(caught.value)


def test_values_nested_too_deeply() -> None:
    value = '{"arrayValue":{"values":[' * 5_000 + '{"intValue":"1"}' + "]}}" * 5_000
    body = document(attributes=[{"key": "a", "value": {}}]).replace("{}", value)
    with pytest.raises(SpanDecodeError) as caught:
        from_otlp_json(body)
    assert_one_line(caught.value)


def test_what_is_left_out_has_its_default() -> None:
    record = decoded()
    assert record == SpanRecord(IDS["traceId"], IDS["spanId"], None, "", 0, None)
    assert decoded(name=None, kind=None, status=None, attributes=None, links=None) == record
    assert decoded(parentSpanId="").parent_span_id is None
    assert decoded(attributes=[{"key": "a"}]).attributes == {"a": None}


def test_every_attribute_key_is_text() -> None:
    records = [
        decoded(attributes=[{"value": {"stringValue": "x"}}]),
        decoded(attributes=[{"key": None, "value": {"stringValue": "x"}}]),
        decoded(attributes=[{"key": "a", "value": {"kvlistValue": {"values": [{"key": None}]}}}]),
    ]
    assert [list(record.attributes) for record in records] == [[""], [""], ["a"]]


def test_upper_case_ids_are_the_same_ids() -> None:
    assert decoded(traceId="A" * 32).trace_id == "a" * 32


def test_integers_may_be_numbers_and_names_unknown() -> None:
    record = decoded(
        startTimeUnixNano=5,
        futureField={"x": 1},
        attributes=[{"key": "a", "value": {"intValue": 7}}],
    )
    assert record.start_time_ns == 5
    assert record.attributes == {"a": 7}


def test_an_empty_document_has_no_spans() -> None:
    assert from_otlp_json("{}") == []
    assert from_otlp_json('{"resourceSpans": []}') == []
    assert from_otlp_json('{"resourceSpans": [{}]}') == []
    assert from_otlp_json('{"resourceSpans": [{"scopeSpans": [{}]}]}') == []


def test_protobufs_own_json_is_read() -> None:
    """As ``google.protobuf.json_format`` writes it: ids in base64, enumerations by name."""
    record = decoded(
        traceId="AAAAAAAAAAAAAAAAAAAAAQ==",
        spanId="AAAAAAAAAAE=",
        parentSpanId="AAAAAAAAAAI=",
        kind="SPAN_KIND_CLIENT",
        status={"code": "STATUS_CODE_ERROR", "message": "why"},
        links=[{"traceId": "AAAAAAAAAAAAAAAAAAAAAw==", "spanId": "AAAAAAAAAAQ="}],
    )
    assert (record.trace_id, record.span_id) == (IDS["traceId"], IDS["spanId"])
    assert record.parent_span_id == "0" * 15 + "2"
    assert (record.kind, record.status, record.status_description) == ("client", "error", "why")
    assert (record.links[0].trace_id[-1], record.links[0].span_id[-1]) == ("3", "4")


def test_numbers_of_later_versions_are_the_default() -> None:
    record = decoded(kind=99, status={"code": 7})
    assert (record.kind, record.status) == ("internal", "unset")


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl.gz"
    file.write_bytes(gzip.compress(f"{LINE}\n{LINE}\n".encode()))
    assert list(read_otlp_json_lines(file)) == [GOOD, GOOD]
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(SpanDecodeError, match="cannot be read") as caught:
        list(read_otlp_json_lines(file, on_error=print))
    assert_one_line(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_is_read(packed: bool) -> None:
    """As a shell's ``<(zcat …)`` is one: what is taken out of it is gone."""
    text = f"{LINE}\n{LINE}\n".encode()
    reading, writing = os.pipe()
    try:
        os.write(writing, gzip.compress(text) if packed else text)
        os.close(writing)
        assert list(read_otlp_json_lines(Path(f"/dev/fd/{reading}"))) == [GOOD, GOOD]
    finally:
        os.close(reading)


def test_an_indented_document_is_read(tmp_path: Path) -> None:
    file = tmp_path / "spans.json"
    file.write_text(json.dumps(json.loads(LINE), indent=2))
    assert list(read_otlp_json_lines(file)) == [GOOD]


def test_lines_of_other_signals_are_passed_over(tmp_path: Path) -> None:
    """A collector's file exporter may be that of several pipelines."""
    file = tmp_path / "all.jsonl"
    file.write_text(f'{{"resourceLogs": []}}\n{LINE}\n{{"resourceMetrics": [{{}}]}}\n')
    assert list(read_otlp_json_lines(file)) == [GOOD]


def test_a_byte_order_mark_is_no_fault() -> None:
    assert from_otlp_json(b"\xef\xbb\xbf" + LINE.encode()) == [GOOD]


# -- lines -------------------------------------------------------------------------------


def test_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    path.write_text(f"\n{LINE}\n\n  \r\n{LINE}")
    assert list(read_otlp_json_lines(path)) == [GOOD, GOOD]
    path.write_bytes(f"{LINE}\r\n".encode() * 2)
    assert list(read_otlp_json_lines(path)) == [GOOD, GOOD]


def test_an_empty_file_has_no_spans(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    path.touch()
    assert list(read_otlp_json_lines(path)) == []


def test_the_first_fault_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    path.write_text(f"{LINE}\n\nbroken\n{LINE}\n")
    reading = read_otlp_json_lines(path)
    assert next(reading) == GOOD
    with pytest.raises(SpanDecodeError, match=r"spans\.jsonl, line 3: ") as caught:
        next(reading)
    assert_one_line(caught.value)


def test_on_error_reads_on(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    faults: list[SpanDecodeError] = []
    broken = [
        b"broken",
        LINE[:-9].encode(),
        b"\xff\x00\xfe",
        document(spanId="00").encode(),
        b"[" * 100_000,
        b"{}",
    ]
    path.write_bytes(b"".join(line + b"\n" + LINE.encode() + b"\n" for line in broken))
    assert list(read_otlp_json_lines(path, faults.append)) == [GOOD] * 6
    assert [str(fault).partition("line ")[2].partition(":")[0] for fault in faults] == [
        "1",
        "3",
        "5",
        "7",
        "9",
    ]
    for fault in faults:
        assert_one_line(fault)


def test_one_bad_span_costs_its_line_only_and_leaves_no_half_line(tmp_path: Path) -> None:
    bad = json.loads(document(spanId="00"))
    bad["resourceSpans"] += json.loads(LINE)["resourceSpans"]
    path = tmp_path / "spans.jsonl"
    path.write_text(json.dumps(bad) + "\n" + LINE + "\n")
    faults: list[SpanDecodeError] = []
    assert list(read_otlp_json_lines(path, faults.append)) == [GOOD]
    assert len(faults) == 1


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "spans.jsonl"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(SpanDecodeError, match="cannot be read") as caught:
        list(read_otlp_json_lines(path, lambda _: None))
    assert_one_line(caught.value)


# -- protobuf ----------------------------------------------------------------------------


def request(**span: Any) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    made = ExportTraceServiceRequest()
    fields = {"trace_id": bytes(15) + b"\x01", "span_id": bytes(7) + b"\x01", **span}
    made.resource_spans.add().scope_spans.add().spans.add(**fields)
    return made.SerializeToString()


def test_an_empty_body_has_no_spans() -> None:
    assert from_otlp_protobuf(b"") == []


@pytest.mark.parametrize(
    "body",
    [b"\xff", b"nonsense", b"\x0a\xff", request(name="s")[:-1], LINE.encode(), b"\x1f\x8b\x08\x00"],
)
def test_no_protobuf(body: bytes) -> None:
    with pytest.raises(SpanDecodeError) as caught:
        from_otlp_protobuf(body)
    assert_one_line(caught.value)


@pytest.mark.parametrize(
    "span",
    [
        {"trace_id": b""},
        {"trace_id": bytes(15)},
        {"span_id": bytes(9)},
        {"parent_span_id": b"\x01"},
        {"links": [{"trace_id": b"\x01", "span_id": b""}]},
        {"trace_id": b"", "name": "one\ntwo"},
    ],
)
def test_wrong_ids(span: dict[str, Any]) -> None:
    with pytest.raises(SpanDecodeError) as caught:
        from_otlp_protobuf(request(**span))
    assert_one_line(caught.value)


def test_unknown_enum_numbers_are_the_default() -> None:
    (record,) = from_otlp_protobuf(request(kind=99, status={"code": 7}))
    assert (record.kind, record.status) == ("internal", "unset")


# -- fuzz --------------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
    | st.just("0" * 15 + "1")
    | st.just("0" * 31 + "1")
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "key",
                    "value",
                    "values",
                    "stringValue",
                    "intValue",
                    "doubleValue",
                    "boolValue",
                    "arrayValue",
                    "kvlistValue",
                    "bytesValue",
                    "traceId",
                    "spanId",
                    "attributes",
                    "code",
                    "message",
                    "timeUnixNano",
                    "name",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
span_fields = st.dictionaries(
    st.sampled_from(
        [
            "traceId",
            "spanId",
            "parentSpanId",
            "name",
            "kind",
            "flags",
            "traceState",
            "status",
            "startTimeUnixNano",
            "endTimeUnixNano",
            "attributes",
            "events",
            "links",
            "droppedAttributesCount",
            "droppedEventsCount",
        ]
    ),
    json_values,
    max_size=5,
)


def read(body: Any, decode: Any) -> list[SpanRecord]:
    try:
        return decode(body)
    except SpanDecodeError as error:
        assert_one_line(error)
        return []


@given(st.text(max_size=200) | st.binary(max_size=200))
@examples(150)
def test_fuzz_bytes(body: str | bytes) -> None:
    read(body, from_otlp_json)
    if isinstance(body, bytes):
        read(body, from_otlp_protobuf)


@given(json_values)
@examples(150)
def test_fuzz_documents(value: Any) -> None:
    read(json.dumps(value), from_otlp_json)
    read(json.dumps({"resourceSpans": value}), from_otlp_json)
    read(json.dumps({"resourceSpans": [{"resource": value, "scopeSpans": [{}]}]}), from_otlp_json)


@given(span_fields)
@examples(300)
def test_fuzz_spans(span: dict[str, Any]) -> None:
    for record in read(document(**span), from_otlp_json):
        # what was accepted can be kept and read again
        (line,) = to_otlp_json_lines([record])
        (again,) = from_otlp_json(line)
        assert again.span_id == record.span_id


@given(st.binary(min_size=1, max_size=3), st.integers(0, 200))
@examples(200)
def test_fuzz_damaged_protobuf(damage: bytes, where: int) -> None:
    body = request(name="s", start_time_unix_nano=5, attributes=[{"key": "a"}])
    place = where % len(body)
    read(body[:place] + damage + body[place + len(damage) :], from_otlp_protobuf)
