"""Attribute values in the forms in which others write them."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_otel.conventions.foreign_values import find, integer_of, parsed, text_of, unflattened


def test_flattened_lists() -> None:
    attributes = {
        "llm.input_messages.10.message.role": "tool",
        "llm.input_messages.2.message.role": "user",
        "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "f",
        "llm.input_messages.2.message.tool_calls.1.tool_call.function.name": "g",
        "llm.output_messages.0.message.role": "assistant",
    }
    first, second = unflattened(attributes, "llm.input_messages")
    calls = [call["tool_call"]["function"]["name"] for call in first["message"]["tool_calls"]]
    assert (first["message"]["role"], calls) == ("user", ["f", "g"])
    assert second == {"message": {"role": "tool"}}


def test_a_value_that_is_an_object_is_not_changed() -> None:
    value = {"a": 1}
    assert unflattened({"x.0": value, "x.0.b": 2}, "x") == [value]
    assert value == {"a": 1}


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"list.0": "a", "list.0.b": "c"},
        {"list.x": "a"},
        {"list": ("a",)},
        {"list." + ".".join("0" * 200): "a"},
    ],
    ids=repr,
)
def test_damaged_lists_are_no_errors(attributes: dict[str, Any]) -> None:
    assert unflattened(attributes, "list") in ([], ["a"])


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1]", [1]),
        ("42", "42"),
        ("null", "null"),
        ('{"a": ', '{"a": '),
        ("[" * 100_000, "[" * 100_000),
        ("__REDACTED__", None),
        ((1, 2), (1, 2)),
        (None, None),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_only_objects_and_arrays_are_parsed(value: object, wanted: object) -> None:
    assert parsed(value) == wanted


def test_the_first_key_with_a_value_counts() -> None:
    attributes = {"a": "", "b": "__REDACTED__", "c": '{"d": {"e": "f"}}', "g": '"quoted"'}
    assert find(attributes, ("a", "b", ("c", "x"), ("c", "d", "e"))) == "f"
    assert find(attributes, (("c", "d", "e", "f"), "nothing")) is None
    assert find(attributes, ("g",)) == '"quoted"'
    assert find(attributes, ("g",), encoded=True) == "quoted"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(3, 3), (3.0, 3), ("3", 3), (True, None), ("x", None), (float("inf"), None), (None, None)],
    ids=repr,
)
def test_counts(value: object, wanted: int | None) -> None:
    assert integer_of(value) == wanted


def test_text() -> None:
    assert text_of("ä") == "ä"
    assert text_of({"a": ("ä", b"b")}) == '{"a": ["ä", "b\'b\'"]}'
    assert text_of(None) is None
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert text_of(deep) is None
