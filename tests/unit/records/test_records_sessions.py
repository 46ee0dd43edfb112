"""Which session a span belongs to."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from clearml_otel import attributes as names
from clearml_otel.records import SessionKey, group_sessions
from clearml_otel.records.sessions import DEFAULT
from clearml_otel.spans import SpanRecord
from support.examples import examples
from support.run_records import call, run_record


def groups(spans: list[SpanRecord]) -> dict[str | None, list[str]]:
    return {
        key.name: sorted(span.span_id for span in own) for key, own in group_sessions(spans).items()
    }


def ids(*spans: SpanRecord) -> list[str]:
    return sorted(span.span_id for span in spans)


def test_spans_that_say_nothing_share_the_default_session() -> None:
    spans = [call("a", 1, trace=1), call("b", 3, trace=2)]
    assert group_sessions(spans) == {DEFAULT: spans}
    assert DEFAULT.name is None


def test_a_span_names_its_session() -> None:
    one = call("a", 1, trace=1, session__id="one")
    two = call("b", 3, trace=2, gen_ai__conversation__id="two")
    three = call("c", 5, trace=3, clearml__session__name="three")
    assert groups([three, two, one]) == {"one": ids(one), "two": ids(two), "three": ids(three)}
    assert list(groups([three, two, one])) == ["one", "two", "three"]


def test_the_trackers_name_weighs_more_than_langchains() -> None:
    span = call("a", 1, session__id="thread", clearml__session__name="mine")
    assert list(group_sessions([span])) == [SessionKey(names.SESSION_NAME, "mine")]


def test_a_span_without_one_goes_with_its_trace() -> None:
    outer = run_record("chain", 1, 6)
    inner = call("a", 2, 3, session__id="one")
    tool = run_record("tool", 4, 5)
    assert groups([outer, inner, tool]) == {"one": ids(outer, inner, tool)}


def test_sessions_of_two_traces_of_one_name_are_one() -> None:
    spans = [call("a", 1, trace=1, session__id="s"), call("b", 3, trace=2, session__id="s")]
    assert groups(spans) == {"s": ids(*spans)}


def test_a_trackers_count_of_flushes_is_no_name() -> None:
    spans = [
        call("a", 1, trace=1, clearml__session__id="t:0"),
        call("b", 3, trace=2, clearml__session__id="t:1"),
    ]
    found = group_sessions(spans)
    assert [key.name for key in found] == [None, None]
    assert [len(own) for own in found.values()] == [1, 1]


def test_an_empty_name_is_none() -> None:
    assert list(group_sessions([call("a", 1, session__id="")])) == [DEFAULT]


def test_a_session_that_is_no_text_is_told_as_text() -> None:
    (key,) = group_sessions([call("a", 1, session__id=7)])
    assert key.name == "7"


SPANS = [
    call("a", 1, trace=1, session__id="one"),
    run_record("chain", 2, trace=1),
    call("b", 3, trace=2, session__id="two"),
    call("c", 4, trace=2, session__id="one"),
    run_record("tool", 5, trace=2),
    call("d", 6, trace=3),
    call("e", 7, trace=4, gen_ai__conversation__id="one"),
]


@given(st.randoms(use_true_random=False))
@examples(50)
def test_arrival_never_matters(shuffle: random.Random) -> None:
    spans = list(SPANS)
    shuffle.shuffle(spans)
    assert groups(spans) == groups(SPANS)
    assert list(group_sessions(spans)) == list(group_sessions(SPANS))


def test_every_span_is_in_one_session() -> None:
    found = [span.span_id for own in group_sessions(SPANS).values() for span in own]
    assert sorted(found) == ids(*SPANS)
