"""The keywords of ``instrument()``."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from clearml_otel.langchain.options import InstrumentationOptions


def test_keywords_become_options() -> None:
    given = {"complexity_metrics": False, "capture_content": "NO_CONTENT", "skip_dep_check": True}
    options = InstrumentationOptions.from_keywords(given)
    assert options == InstrumentationOptions(complexity_metrics=False, capture_content="NO_CONTENT")


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"capture_contents": False}, "knows no capture_contents; its options are capture_content"),
        (
            {"readability": "flesch"},
            "readability='flesch' is none of seed, textstat; 'seed' is used",
        ),
        ({"max_content_length": 0}, "max_content_length=0 is no number above 0; 262144 is"),
        ({"readability_max_words": "many"}, "readability_max_words='many' is no number"),
        ({"complexity_metrics": "no"}, "='no' is neither True nor False; True is used"),
    ],
)
def test_what_cannot_be_used_is_named_and_left_out(
    keywords: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        options = InstrumentationOptions.from_keywords(keywords)
    assert options == InstrumentationOptions()
    (line,) = [record.getMessage() for record in caplog.records]
    assert told in line


def test_each_of_several_is_named(caplog: pytest.LogCaptureFixture) -> None:
    InstrumentationOptions.from_keywords({"max_content_length": 0, "capture_media": "yes"})
    assert "max_content_length" in caplog.text
    assert "capture_media" in caplog.text


def test_a_redact_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="redact cannot be called"):
        InstrumentationOptions.from_keywords({"redact": "emails"})
