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
from clearml_otel.readability.seed import SeedEngine
from clearml_otel.readability.tokens import tokenize, words_of
from clearml_otel.readability.word_lists import english_common_words, english_easy_words
from clearml_otel.readability.words import SYLLABLES, WordMemo

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
    assert COUNT([word]) == [len(ENGLISH.positions(word)) + 1]


@pytest.mark.parametrize("size", [*range(6), 64, 1_000, *range(16_380, 16_390), 40_000])
def test_syllables_are_pyphens_at_every_length(size: int) -> None:
    """A chunk of the automaton's walk has 16,384 letters."""
    word = ("antidisestablishmentarianism" * (size // 28 + 1))[:size]
    assert COUNT([word]) == [len(ENGLISH.positions(word)) + 1]


def test_syllables_of_all_listed_words_are_pyphens() -> None:
    """Levels of whole words reach farther back than those of most patterns."""
    listed = sorted(english_common_words() | {w for w in english_easy_words() if w.isalnum()})
    assert COUNT(listed) == [len(ENGLISH.positions(word)) + 1 for word in listed]


@fixed
@given(st.lists(words))
def test_syllables_of_many_words_are_those_of_each(many: list[str]) -> None:
    assert COUNT(many) == [len(ENGLISH.positions(word)) + 1 for word in many]


@fixed
@given(
    st.dictionaries(
        st.from_regex(r"\A\.?[ab]{1,9}\.?\Z"),
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
    assert count([word]) == [len(hyphens.positions(word)) + 1]


def test_too_many_levels_are_refused() -> None:
    patterns = {chr(ord("a") + level): (0, (level,)) for level in range(1, 10)}
    with pytest.raises(ValueError, match="more than 8 different levels"):
        SyllableCounter(patterns, left=2, right=2)


@fixed
@given(st.one_of(texts, many_marks))
def test_tokens_are_those_of_the_regular_expressions(text: str) -> None:
    tokens = tokenize(text)
    words = re.sub(r"[^\w\s]", "", text.lower()).split()
    assert [word for key in tokens.keys for word in words_of({key}) if word] == words
    assert tokens.letters == len("".join(words))
    assert tokens.terms == set(re.findall(r"[\w='‘’]+", text.lower()))
    assert set(tokens.keys) <= tokens.terms | tokens.compounds
    assert tokens.compounds.isdisjoint(tokens.terms)
    assert tokens.characters == len(re.sub(r"\s", "", text))
    assert tokens.stops == len(re.findall(r"[.!?]", text))
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


def memo_of(*easy: str, common: frozenset[str] = frozenset()) -> WordMemo:
    return WordMemo(COUNT, frozenset(easy), common)


def look_up(memo: WordMemo, *terms: str) -> list[int]:
    """Syllables of the terms."""
    known, beyond = memo.classes(set(terms), set())
    return [SYLLABLES[known[term]] + beyond.get(term, 0) for term in terms]


def test_a_full_memo_knows_the_common_words() -> None:
    memo = memo_of("table", "don't", common=frozenset({"computer"}))
    expected = {"table": 2, "don't": 1, "computer": 3}
    for number in range(20_000):
        look_up(memo, f"a{number}")
    assert expected.keys() < memo._kept.keys()
    assert look_up(memo, *expected) == list(expected.values())
    assert len(memo._kept) <= 8_192 + len(expected)


def test_a_full_memo_starts_anew() -> None:
    memo = memo_of()
    sizes = set()
    for number in range(20_000):
        assert look_up(memo, f"pattern{number}") == [2]
        sizes.add(len(memo._kept))
    assert max(sizes) == 8_192
    assert min(sizes) == 1
    many = {f"table{number}" for number in range(40_000)}
    assert look_up(memo, *many) == COUNT(many)
    assert len(memo._kept) == 8_192
    assert look_up(memo, "pattern1", "table", "x" * 33) == [2, 2, 1]
    assert "x" * 33 not in memo._kept


def test_who_looks_words_up_keeps_them_when_the_memo_starts_anew() -> None:
    memo = memo_of()
    known, _ = memo.classes({"pattern"}, set())
    for number in range(20_000):
        look_up(memo, f"a{number}")
    assert SYLLABLES[known["pattern"]] == 2


@pytest.mark.parametrize("syllables", [2, 62, 63, 64, 65, 66, 1_000])
def test_words_of_any_number_of_syllables(syllables: int) -> None:
    word = "table" * (syllables // 2 + 1)
    expected = len(ENGLISH.positions(word)) + 1
    assert look_up(memo_of(), word, "table", "'", "=", "don't", "dont") == [expected, 2, 0, 0, 1, 1]
