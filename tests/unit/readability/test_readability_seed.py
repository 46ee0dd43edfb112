"""The page's numbers, and what ``measure`` takes and gives."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from clearml_otel import readability
from clearml_otel.readability import ENGINE, METRICS, engine_version, measure
from clearml_otel.readability.hyphenation import english_syllables
from clearml_otel.readability.seed import SeedEngine
from clearml_otel.readability.word_lists import english_easy_words

PAGE = json.loads((Path(__file__).parents[2] / "data" / "seed_readability.json").read_text("utf-8"))
NO_WORD = ["...", "👍", " ", "\n\n", "？！", "' '", "\u064e", "\ud83d"]


def exact(metrics: dict[str, Any]) -> str:
    """Tells 1 from 1.0, and any two different floats."""
    return repr(metrics)


def test_the_page_has_80_values() -> None:
    assert sum(len(record["metrics"]) for record in PAGE["records"]) == 80
    assert list(METRICS) == PAGE["metric_names"]


@pytest.mark.parametrize("field", ["raw_text", "seed_text"])
@pytest.mark.parametrize("record", PAGE["records"], ids=lambda record: record["id"])
def test_every_value_of_the_page(record: dict[str, Any], field: str) -> None:
    assert exact(measure(record[field])) == exact(record["metrics"])


def test_types_and_order() -> None:
    metrics = measure("Readability is measured. Nobody knows why it is, but it is measured!")
    assert tuple(metrics) == METRICS
    types = {name: type(value) for name, value in metrics.items()}
    assert types.pop("difficult_words") is int
    assert types.pop("text_standard") is str
    assert set(types.values()) == {float}


@pytest.mark.parametrize("text", NO_WORD, ids=ascii)
def test_zero_where_textstat_divides_by_zero(text: str) -> None:
    metrics = measure(text)
    assert (metrics["gulpease_index"], metrics["osman"]) == (0.0, 0.0)
    # The others have a value there, and it is textstat's.
    assert metrics["flesch_reading_ease"] == 206.84
    assert metrics["text_standard"] == "-1th and 0th grade"


@pytest.mark.parametrize("text", [None, 1, b"bytes", bytearray(b"x"), memoryview(b"x"), ["a"], {}])
def test_only_str_is_measured(text: Any) -> None:
    with pytest.raises(TypeError, match=f"text must be a str, not {type(text).__name__}"):
        measure(text)


def test_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'flesch'.*known engines: 'seed'"):
        measure("text", engine="flesch")
    assert ENGINE == "seed"
    assert measure("text", engine="seed") == measure("text")


def test_a_subclass_of_str_is_the_string_it_holds() -> None:
    class Message(str):
        __slots__ = ()

        def lower(self) -> str:
            raise AssertionError

        split = encode = isascii = count = __str__ = __len__ = __iter__ = lower

    text = "So it is, said the fish. It is a wall!"
    assert exact(measure(Message(text))) == exact(measure(text))


@pytest.mark.parametrize(
    "text",
    ["\ud800", "a\udc00b c\ud83d", "\ud83d\ude00" * 9, "\0", "b'bytes'", "\\xff\\x00", "\ufffe"],
    ids=ascii,
)
def test_odd_strings_are_measured(text: str) -> None:
    assert tuple(measure(text)) == METRICS


def test_engine_version_names_formulas_and_patterns() -> None:
    assert re.fullmatch(r"textstat-0\.7\.4\+pyphen-\d+(\.\d+)+", engine_version())


@pytest.mark.parametrize(
    ("licence", "holder", "words"),
    [
        ("LICENSE-textstat", "Copyright (c) 2016 Shivam Bansal", "easy_words.txt"),
        ("LICENSE-scowl", "Copyright 2000-2011 by Kevin Atkinson", "common_words.txt"),
    ],
)
def test_the_notices_of_the_shipped_lists_are_there(licence: str, holder: str, words: str) -> None:
    data = Path(readability.__file__).with_name("data")
    notice = (data / licence).read_text("utf-8")
    assert notice.startswith(f"The file {words} in this folder is ")
    assert holder in notice
    assert (data / words).exists()


def test_the_common_words_change_no_number() -> None:
    texts = [str(record["raw_text"]) for record in PAGE["records"]]
    texts += ["Computers' behaviors aren't well-behaved. COMPUTERS, computers; a computer!"]
    without = SeedEngine(english_syllables(), english_easy_words())
    assert [exact(without.measure(text)) for text in texts] == [exact(measure(t)) for t in texts]
