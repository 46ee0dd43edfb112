"""``measure`` against textstat 0.7.4 itself: every value, and its type."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearml_otel import readability
from clearml_otel.readability import measure
from support.old_textstat import OldTextstat
from support.readability_texts import readability_texts

pytestmark = pytest.mark.slow

TEXTS = readability_texts()
WORDS = "the ability don't U.S. 1.5 éﬁ ΑΣ İ K 漢 \ud800 \u0648\u0627 \u064b\u0651 ’tis ‘x’ a=b _ 👍"
FRAGMENTS = st.sampled_from([*WORDS.split(), *".!?-—“'", ". ", "...", " ", "\n", "\u2028"])


def test_there_are_5000_texts() -> None:
    assert sum(map(len, TEXTS.values())) >= 5_000
    assert len({text for texts in TEXTS.values() for text in texts}) >= 4_500


@pytest.mark.parametrize("kind", TEXTS)
def test_equal_to_textstat(kind: str, old_textstat: OldTextstat) -> None:
    expected = old_textstat.measure(TEXTS[kind])
    for text, metrics in zip(TEXTS[kind], expected, strict=True):
        # repr tells 1 from 1.0, and any two different floats.
        assert repr(measure(text)) == repr(metrics), ascii(text)


def test_equal_for_a_token_of_a_megabyte(old_textstat: OldTextstat) -> None:
    text = "aGVsbG8" * 150_000
    assert repr(measure(text)) == repr(old_textstat.measure([text])[0])


@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(text=st.one_of(st.lists(FRAGMENTS).map("".join), st.text(), st.text("aeiou .!?'\n")))
def test_equal_for_any_text(text: str, old_textstat: OldTextstat) -> None:
    assert repr(measure(text)) == repr(old_textstat.measure([text])[0])


def test_zero_is_only_put_where_textstat_raises(old_textstat: OldTextstat) -> None:
    metrics = old_textstat.measure(["...", "", "Hello"], where_it_raises=None)
    raising = [{name for name, value in values.items() if value is None} for values in metrics]
    assert raising == [{"gulpease_index", "osman"}, set(), set()]


def test_the_shipped_list_is_textstats(old_textstat: OldTextstat) -> None:
    shipped = Path(readability.__file__).with_name("data") / "easy_words.txt"
    assert shipped.read_bytes() == old_textstat.easy_words()
