"""Properties of the parts, against simple or independent ways of computing the same."""

from __future__ import annotations

import math
import re
from copy import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyphen import Pyphen

from clearml_otel.readability import METRICS, measure
from clearml_otel.readability.hyphenation import SyllableCounter, english_syllables
from clearml_otel.readability.seed import SeedEngine, SyllableMemo
from clearml_otel.readability.tokens import tokenize

fixed = settings(max_examples=300, deadline=None, derandomize=True, database=None)
texts = st.one_of(
    st.text(st.characters()),  # with lone surrogates
    st.text("aB. !?'’‘=-_1\n\u2028\x1céİΣ漢“…\ud800\u064b"),
    st.lists(
        st.sampled_from(
            ["It", "is", "a", "well-known", "fact.", "Isn't", "it,", "“Watson”?", "Élan…", "—"]
        )
    ).map(" ".join),
)
# More kinds of punctuation than are replaced one by one.
many_marks = st.text(
    st.sampled_from([chr(c) for c in range(0x2190, 0x2200)] + list("ab. ’")), min_size=80
)
letters = "abcdefghijklmnopqrstuvwxyzéﬁ0_漢"
words = st.one_of(
    st.text(letters),
    st.text("acdeinorst", min_size=50, max_size=200),
    st.lists(
        st.sampled_from(["present", "associate", "hyphen", "ation", "table", "project", "q"]),
        max_size=40,
    ).map("".join),
)
ENGLISH = Pyphen(lang="en_US", cache=False)
COUNT = english_syllables()


@fixed
@given(words)
def test_syllables_are_pyphens(word: str) -> None:
    assert COUNT(word) == len(ENGLISH.positions(word)) + 1


@pytest.mark.parametrize("size", [*range(6), *range(60, 70), *range(124, 132), 1_000])
def test_syllables_are_pyphens_at_every_length(size: int) -> None:
    word = ("antidisestablishmentarianism" * 40)[:size]
    assert COUNT(word) == len(ENGLISH.positions(word)) + 1


@fixed
@given(st.lists(st.text("acdeinorst0", max_size=40)))
def test_syllables_of_many_words_are_those_of_each(many: list[str]) -> None:
    assert list(COUNT.each(many)) == [len(ENGLISH.positions(word)) + 1 for word in many]


@fixed
@given(
    st.dictionaries(
        st.from_regex(r"\A\.?[ab]{1,3}\.?\Z"),
        st.lists(st.integers(0, 6), min_size=1, max_size=3),
        min_size=1,
    ),
    st.text("abc", max_size=80),
)
def test_syllables_by_any_patterns(levels: dict[str, list[int]], word: str) -> None:
    hyphens = copy(ENGLISH)
    hyphens.hd = copy(ENGLISH.hd)
    hyphens.hd.cache = {}
    hyphens.hd.maxlen = max(map(len, levels))
    hyphens.hd.patterns = {
        pattern: (0, tuple(some[: len(pattern) + 1])) for pattern, some in levels.items()
    }
    count = SyllableCounter(hyphens.hd.patterns, left=2, right=2)
    assert count(word) == len(hyphens.positions(word)) + 1


def test_too_many_levels_are_refused() -> None:
    patterns = {chr(ord("a") + level): (0, (level,)) for level in range(1, 10)}
    with pytest.raises(ValueError, match="more than 8 different levels"):
        SyllableCounter(patterns, left=2, right=2)


@fixed
@given(st.one_of(texts, many_marks))
def test_tokens_are_those_of_the_regular_expressions(text: str) -> None:
    tokens = tokenize(text)
    assert tokens.words == re.sub(r"[^\w\s]", "", text.lower()).split()
    assert tokens.terms == set(re.findall(r"[\w='‘’]+", text.lower()))
    assert tokens.characters == len(re.sub(r"\s", "", text))
    assert tokens.foreign == {c for c in text.lower() if ord(c) > 127}
    sentences = re.findall(r"\b[^.!?]+[.!?]*", text)
    long = [s for s in sentences if len(re.sub(r"[^\w\s]", "", s).split()) > 2]
    assert tokens.sentences == max(1, len(long))


@fixed
@given(texts)
def test_any_text_has_16_finite_metrics(text: str) -> None:
    metrics = measure(text)
    assert tuple(metrics) == METRICS
    assert re.fullmatch(
        r"-?\d+(st|nd|rd|th) and -?\d+(st|nd|rd|th) grade", metrics.pop("text_standard")
    )
    assert type(metrics.pop("difficult_words")) is int
    assert all(type(value) is float and math.isfinite(value) for value in metrics.values())


@fixed
@given(texts, st.sampled_from([" ", "\n\n", "\t", "\u2003", "\x1f"]))
def test_white_space_does_not_matter(text: str, space: str) -> None:
    assert measure(text) == measure(space + space.join(text.split()) + space)


@fixed
@given(st.lists(texts, max_size=5), texts)
def test_earlier_texts_do_not_matter(others: list[str], text: str) -> None:
    alone = SeedEngine(COUNT, frozenset({"fact", "is"}))
    after = SeedEngine(COUNT, frozenset({"fact", "is"}))
    for other in others:
        after.measure(other)
    assert alone.measure(text) == after.measure(text)


def test_a_full_memo_knows_the_common_words() -> None:
    common = frozenset({"table", "don't"})
    memo = SyllableMemo(COUNT, common)
    assert dict(memo) == {"table": 2, "don't": 1}
    for number in range(20_000):
        memo.learn({f"a{number}"})
    assert common < memo.keys()
    assert len(memo) < 16_384


def test_a_full_memo_starts_anew() -> None:
    memo = SyllableMemo(COUNT)
    sizes = set()
    for number in range(40_000):
        assert memo[f"pattern{number}"] == 2
        sizes.add(len(memo))
    assert max(sizes) == 16_384
    memo.learn({f"learnt{number}" for number in range(40_000)})
    assert len(memo) == 16_384
    assert memo["x" * 33] == 1
    assert "x" * 33 not in memo
    assert memo["don't"] == memo["dont"] == 1
    assert memo["'"] == memo["="] == 0
