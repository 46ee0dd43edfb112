from __future__ import annotations

import json
import math
import numbers
import uuid
from collections import OrderedDict, UserDict
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_otel.clearml.encoding import cell, clean_text, escaped_length, figure_value


class Plain:
    pass


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class NoText:
    def __str__(self) -> str:
        return 7  # type: ignore[return-value] - the mistake that is tested


class Shouting(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


@numbers.Real.register
class BadNumber:
    def __float__(self) -> float:
        raise ArithmeticError


class Holder(UserDict[str, Any]):
    """A mapping that is no dict."""


def recursive() -> list[Any]:
    items: list[Any] = [1]
    items.append(items)
    return items


def deep(levels: int) -> list[Any]:
    items: list[Any] = []
    for _ in range(levels):
        items = [items]
    return items


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (pd.NA, ""),
        (pd.NaT, ""),
        ("text", "text"),
        ("é😀\n", "é😀\n"),
        (True, True),
        (0, 0),
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (-(2**53) - 1, "-9007199254740993"),
        (10**30, "1" + "0" * 30),
        (1.5, 1.5),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), "nan"),
        (np.bool_(True), "True"),
        (Level.LOW, 1),
        (Colour.RED, "Colour.RED"),
        (Decimal("1.10"), "1.10"),
        (Fraction(1, 3), "1/3"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone.utc), "2026-01-02T03:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (b"bytes", "bytes"),
        (b"\xff\x00", "\\xff\x00"),
        (bytearray(b"ab"), "ab"),
        ({"a": None, 1: [math.nan, "é"]}, '{"a": null, "1": ["nan", "é"]}'),
        (OrderedDict(b=1, a=2), '{"b": 1, "a": 2}'),
        (Holder(a=1), '{"a": 1}'),
        ((1, "x"), '[1, "x"]'),
        ({"b", "a", 3}, '["a", "b", 3]'),
        (recursive(), '[1, "<recursive list>"]'),
        (Unprintable(), "<unprintable Unprintable>"),
        (NoText(), "<unprintable NoText>"),
        ([Unprintable()], '["<unprintable Unprintable>"]'),
        (BadNumber(), "<unprintable BadNumber>"),
        (Shouting("low"), "low"),
        (Plain(), f"<{__name__}.Plain>"),
        ("\ud800", "\ufffd"),
        ("a\udfffb", "a\ufffdb"),
        (["\ud800"], '["\ufffd"]'),
    ],
)
def test_any_value_becomes_a_cell(value: Any, expected: Any) -> None:
    found = cell(value)
    assert found == expected
    assert type(found) is type(expected)


def test_integers_with_more_digits_than_python_prints_are_hexadecimal() -> None:
    assert cell(10**5000) == hex(10**5000)


def test_what_is_nested_without_end_is_cut() -> None:
    text = cell(deep(10_000))
    assert isinstance(text, str)
    assert "<deeply nested list>" in text
    assert len(text) < 1_000


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters())
        | st.binary()
        | st.decimals()
        | st.datetimes(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
        max_leaves=20,
    )
)
def test_every_cell_is_valid_json_and_utf_8_and_always_the_same(value: Any) -> None:
    once = json.dumps(cell(value), allow_nan=False, ensure_ascii=False)
    assert once == json.dumps(cell(value), allow_nan=False, ensure_ascii=False)
    once.encode("utf-8")


def test_surrogate_pairs_become_their_character() -> None:
    assert clean_text("\ud83d\ude00") == "😀"


@given(st.text(st.characters()))
def test_escaped_length_is_that_of_the_text_inside_another(text: str) -> None:
    inner = json.dumps(text)
    assert escaped_length(inner) == len(json.dumps(inner)) - 2


def test_figures_keep_their_structure_and_have_gaps_for_what_is_no_number() -> None:
    figure = {"x": [1, math.nan, None], "y": np.array([1.0, np.inf]), "names": ("a", Plain())}
    assert figure_value(figure) == {
        "x": [1, None, None],
        "y": [1.0, None],
        "names": ["a", f"<{__name__}.Plain>"],
    }
    assert figure_value(recursive()) == [1, None]
