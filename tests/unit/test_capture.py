"""Where content goes: keyword, variable, default."""

from __future__ import annotations

import logging

import pytest

from clearml_otel import diagnostics
from clearml_otel.capture import VARIABLE, Capture, capture_from

NOWHERE = Capture(on_spans=False, in_events=False)
SPANS = Capture(on_spans=True, in_events=False)
EVENTS = Capture(on_spans=False, in_events=True)
BOTH = Capture(on_spans=True, in_events=True)
WORDS = {
    "NO_CONTENT": NOWHERE,
    "SPAN_ONLY": SPANS,
    "EVENT_ONLY": EVENTS,
    "SPAN_AND_EVENT": BOTH,
    "true": SPANS,
    "false": NOWHERE,
}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    diagnostics.forget("capture.unknown")


@pytest.mark.parametrize(("word", "wanted"), WORDS.items())
@pytest.mark.parametrize("spell", [str, str.lower, str.upper, " {} ".format])
def test_words(word: str, wanted: Capture, spell: type[str]) -> None:
    assert capture_from(spell(word), {}) == wanted
    assert capture_from(None, {VARIABLE: spell(word)}) == wanted


def test_the_keyword_goes_before_the_variable() -> None:
    assert capture_from(True, {VARIABLE: "NO_CONTENT"}) == SPANS
    assert capture_from(False, {VARIABLE: "SPAN_ONLY"}) == NOWHERE
    assert capture_from("EVENT_ONLY", {VARIABLE: "SPAN_ONLY"}) == EVENTS
    assert capture_from(BOTH, {VARIABLE: "NO_CONTENT"}) is BOTH


def test_content_goes_on_the_spans_by_default() -> None:
    for environ in ({}, {VARIABLE: ""}, {VARIABLE: "  "}):
        assert capture_from(None, environ) == SPANS


def test_whether_content_is_captured_at_all() -> None:
    assert not NOWHERE
    assert SPANS
    assert EVENTS


@pytest.mark.parametrize(
    ("keyword", "environ", "source"),
    [("everything", {}, "capture_content"), (None, {VARIABLE: "everything"}, VARIABLE)],
)
def test_an_unknown_word_is_warned_of_once(
    keyword: str | None,
    environ: dict[str, str],
    source: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        assert capture_from(keyword, environ) == NOWHERE
        assert capture_from(keyword, environ) == NOWHERE
    [line] = [record.getMessage() for record in caplog.records]
    assert f"{source}='everything'" in line
    assert "NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT" in line
    assert "no content is captured" in line
