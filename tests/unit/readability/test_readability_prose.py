"""Which texts are measured, and where."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_otel.readability import is_prose, within

MEGABYTE = 1_000_000
PROSE = {
    "a sentence": "The fish hit the wall.",
    "one word": "Dam!",
    "white space around": "\n\n  Roses are red,\nviolets are blue. ",
    "Spanish": "¿Dónde está el niño? Mañana será otro día.",
    "Vietnamese": "Tiếng Việt là ngôn ngữ của người Việt.",
    "mostly Latin": "The word 漢字 means Chinese character.",
    "half Latin": "abc где",
    "one redaction": "Dear [REDACTED], your account __REDACTED__ is open.",
    "about redaction": "The unredacted report",
    "Markdown": "# Title\n\n- one **item**\n- [a link](https://example.org)",
    "code": "def f(x):\n    return {x: [1, 2]}",
    "fenced code": "```python\nprint({})\n```",
    "brackets at both ends": "[Note] As shown in [1]",
    "numbers in brackets": "[1] The first source. [2]",
    "braces at both ends": "{name} has to go to {place}",
    "broken JSON": '{"a": 1, and so on}',
    "JSON with a comment": 'Here it is: {"a": 1}',
    "a lone surrogate": "word \ud800 word",
    "a megabyte": "It is a very long story. " * (MEGABYTE // 25),
    "a megabyte of brackets": "[It is [a] story]" * (MEGABYTE // 17),
    "a JSON string": '"just a string"',
}
NO_PROSE = {
    "empty": "",
    "blank": " \n\t\u2003 ",
    "numbers": "1, 2, 3 = 6",
    "dots": "...",
    "emoji": "👍🎉",
    "stars": "**********",
    "underscores": "__REDACTED__",
    "brackets": "[REDACTED]",
    "angle brackets": " <redacted> ",
    "several marks": "[REDACTED]\n[REDACTED], 2023",
    "object": '{"name": "fish", "speed": 1.5}',
    "empty object": "{ }",
    "array": '["a", "b"]',
    "array of numbers and words": '[-1, "word"]',
    "array of objects": '\n[{"a": null}]\n',
    "fenced JSON": '```json\n{"a": "word"}\n```',
    "fenced JSON without its name": '```\n["a word"]\n```',
    "deep array": "[" * 3_000 + '"a"' + "]" * 3_000,
    "a megabyte of JSON": json.dumps({"key": ["some words"] * (MEGABYTE // 14)}),
    "a fenced megabyte of JSON": f"```json\n{json.dumps(['some words'] * 80_000)}\n```\n",
    "Chinese": "这是一个句子。",
    "Russian": "Это предложение.",
    "Arabic": "هذه جملة.",
    "Greek with a Latin word": "Η λέξη fish σημαίνει ψάρι.",
    "a megabyte of Chinese": "漢字仮名" * (MEGABYTE // 4),
    "a megabyte of spaces": " " * MEGABYTE,
    "surrogates": "\ud83d\ude00",
}


@pytest.mark.parametrize("text", PROSE.values(), ids=PROSE)
def test_prose(text: str) -> None:
    assert is_prose(text)


@pytest.mark.parametrize("text", NO_PROSE.values(), ids=NO_PROSE)
def test_no_prose(text: str) -> None:
    assert not is_prose(text)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_no_json_object_or_array_is_prose(value: object) -> None:
    if isinstance(value, (list, dict)):
        assert not is_prose(json.dumps(value))
        assert not is_prose(json.dumps(value, indent=2, ensure_ascii=False))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters()), st.integers(-2, 30))
def test_any_text_has_an_answer(text: str, words: int) -> None:
    assert is_prose(text) in (True, False)
    expected = len(text.split()) <= words and len(text) <= 16 * words
    assert within(text, words) is expected


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("", 0, True),
        ("one", 0, False),
        ("one two three", 3, True),
        (" one\ntwo  three ", 3, True),
        ("one two three", 2, False),
        ("word " * 500, 500, True),
        ("word " * 501, 500, False),
        ("x" * 8_000, 500, True),
        ("x" * 8_001, 500, False),
        ("x" * MEGABYTE, 500, False),
        (" " * MEGABYTE, 500, False),
        ("word", -1, False),
    ],
    ids=str,
)
def test_within(text: str, words: int, expected: bool) -> None:
    assert within(text, words) is expected


@pytest.mark.parametrize("unit", ["It is a story. ", "漢", '["a"],', " ", "[", "é", "redacted "])
def test_a_text_ten_times_as_long_takes_no_longer(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        times: list[float] = []
        for _ in range(30):
            start = time.thread_time()
            is_prose(text)
            within(text, 500)
            times.append(time.thread_time() - start)
        return min(times)

    short, long = seconds(MEGABYTE), seconds(10 * MEGABYTE)
    assert short < 0.002
    assert long < 2 * short + 0.0002
