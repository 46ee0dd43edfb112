"""Values of every kind in inputs, outputs, prompts and answers; none of them hurts anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import MagicMock

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompt_values import StringPromptValue
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from pydantic import BaseModel, SecretStr

from support.scripted_models import ScriptedLLM
from support.shape_parts import TurnsModel
from support.shapes import Raised, Shapes


class Answer(BaseModel):
    words: str
    sure: bool = True


@dataclass
class Point:
    x: int
    y: int


OUTPUTS: dict[str, tuple[Any, str]] = {
    "text": ("fine", "fine"),
    "list": (["a", 1], '["a",1]'),
    "integer": (42, "42"),
    "float": (0.5, "0.5"),
    "truth": (True, "true"),
    "tuple": (("a", 2), '["a",2]'),
    "model": (Answer(words="yes"), '{"words":"yes","sure":true}'),
    "dataclass": (Point(1, 2), '{"x":1,"y":2}'),
    "message": (AIMessage("hello"), "hello"),
    "messages": ([HumanMessage("q"), AIMessage("last")], "last"),
    "prompt": (StringPromptValue(text="Say it."), "Say it."),
    "dictionary": ({"answer": "yes", "sources": [1]}, "yes"),
    "dictionary of messages": ({"messages": [HumanMessage("q"), AIMessage("last")]}, "last"),
    "nested": ({"output": {"text": "deep"}}, "deep"),
    "documents": ([Document("one")], "one"),
    "bytes": (b"abc", "<3 bytes>"),
    "set": ({"b", "a"}, '["a","b"]'),
    "empty list": ([], "[]"),
    "empty text": ("", ""),
    "emoji": ("👍🏽 ok", "👍🏽 ok"),
    "surrogate": ("a\ud800b", "a?b"),
    "nan": (float("nan"), "nan"),
    "infinity": (float("-inf"), "-inf"),
    "enormous": (10**30, str(10**30)),
    "keys": ({1: "a", None: "b", (2, 3): "c"}, '{"1":"a","None":"b","(2, 3)":"c"}'),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_any_output(shape: Shapes, kind: str) -> None:
    value, shown = OUTPUTS[kind]
    seen = shape(lambda: RunnableLambda(lambda _: value).with_config(run_name="made").invoke("q"))
    given, gave = seen.io("made")
    assert given == "q"
    if kind == "documents":
        assert shown in gave
    else:  # what is no text and no JSON is a JSON text
        assert gave in {shown, json.dumps(shown)}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_any_input(shape: Shapes, kind: str) -> None:
    value, _ = OUTPUTS[kind]
    seen = shape(lambda: RunnablePassthrough().invoke(value))
    given, gave = seen.io("RunnablePassthrough")
    assert isinstance(given, str)
    if kind not in {"dictionary", "nested"}:  # a question's keys are not an answer's
        assert given == gave


def test_no_output_at_all(shape: Shapes) -> None:
    seen = shape(lambda: RunnableLambda(lambda _: None).with_config(run_name="made").invoke(None))
    assert seen.result is None
    assert seen.actions == ["on_chain_start", "on_chain_end"]
    assert seen.end("made")["outputs"] in {None, "null"}


class Grumpy:
    """Nothing about it can be read."""

    def __str__(self) -> str:
        raise RuntimeError("do not read me")

    __repr__ = __str__

    def __hash__(self) -> int:
        raise RuntimeError("do not hash me")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("do not compare me")

    def __bool__(self) -> bool:
        raise RuntimeError("do not ask me")


def test_an_object_that_cannot_be_read(shape: Shapes) -> None:
    seen = shape(
        lambda: RunnableLambda(lambda x: "ok").with_config(run_name="made").invoke(Grumpy())
    )
    assert seen.result == "ok"
    assert "Grumpy" in seen.start("made")["input"]


def test_an_object_that_cannot_be_read_deep_inside(shape: Shapes) -> None:
    def program() -> str:
        value = {"a": [1, {"b": Grumpy()}], "c": "kept"}
        RunnableLambda(lambda x: "ok").with_config(run_name="made").invoke(value)
        return "ok"

    given = shape(program).start("made")["input"]
    assert "kept" in given
    assert "Grumpy" in given


def test_a_cycle(shape: Shapes) -> None:
    def program() -> str:
        value: dict[str, Any] = {"name": "loop"}
        value["self"] = [value]
        return str(RunnableLambda(lambda x: x["name"]).with_config(run_name="made").invoke(value))

    seen = shape(program)
    assert seen.result == "loop"
    assert json.loads(seen.start("made")["input"])["name"] == "loop"


def test_two_megabytes(shape: Shapes) -> None:
    seen = shape(lambda: len(ScriptedLLM(answers={"x" * 2_000_000: ["y"]}).invoke("x" * 2_000_000)))
    assert seen.result == 1
    ((prompt, answer),) = seen.pairs
    assert answer == "y"
    assert len(prompt) < 300_000
    assert "2000000" in prompt  # how long it was
    assert sum(len(str(value)) for value in seen.spans[0].attributes.values()) < 1_000_000


def test_a_list_of_a_hundred_thousand(shape: Shapes) -> None:
    seen = shape(lambda: RunnableLambda(len).invoke(list(range(100_000))))
    given, gave = seen.io("len")
    assert gave == "100000"
    assert len(given) < 100_000
    assert "98000 more" in given


def test_a_mock(shape: Shapes) -> None:
    def program() -> str:
        RunnableLambda(lambda x: x).with_config(run_name="made").invoke(MagicMock(name="thing"))
        return "ok"

    assert "MagicMock" in str(shape(program).start("made")["input"])


def test_a_generator_as_input_is_not_consumed(shape: Shapes) -> None:
    def program() -> list[int]:
        return list(RunnablePassthrough().invoke(number for number in range(3)))

    seen = shape(program)
    assert seen.result == [0, 1, 2]
    assert "generator" in str(seen.start("RunnablePassthrough")["input"])


def test_an_iterator_as_output_is_not_consumed(shape: Shapes) -> None:
    def program() -> list[int]:
        def made(_: object) -> dict[str, Iterator[int]]:
            return {"numbers": iter([1, 2, 3])}

        return list(RunnableLambda(made).invoke("q")["numbers"])

    assert shape(program).result == [1, 2, 3]


def test_an_object_whose_attributes_fail(shape: Shapes) -> None:
    class Broken(BaseModel):
        name: str

        def __getattribute__(self, key: str) -> Any:
            if key == "name":
                raise RuntimeError("no name")
            return super().__getattribute__(key)

    def program() -> str:
        RunnableLambda(lambda _: "ok").with_config(run_name="made").invoke(Broken(name="x"))
        return "ok"

    seen = shape(program)
    assert seen.start("made")["input"]
    assert seen.end("made")["outputs"] == "ok"


def test_secrets_stay_out(shape: Shapes) -> None:
    def program() -> str:
        value = {
            "input": {"api_key": "sk-hunter2", "Authorization": "Bearer hunter2"},
            "password": "hunter2",
            "url": "https://me:hunter2@host/x",
            "secret": SecretStr("hunter2"),
        }
        RunnableLambda(lambda _: value).with_config(run_name="made").invoke(value)
        return "ok"

    seen = shape(program)
    assert seen.start("made")["input"]
    assert "hunter2" not in repr(seen.spans)


@pytest.mark.parametrize("answer", ["", "   ", "\n", "...", "!?", "👍", "你好", "a\ud800b", "\x00"])
def test_answers_that_are_hardly_any(shape: Shapes, answer: str) -> None:
    seen = shape(lambda: TurnsModel(turns=[AIMessage(answer)]).invoke("q").content)
    assert seen.result == answer
    assert seen.pairs == [("Human: q", answer.replace("\ud800", "?"))]


def test_a_prompt_of_nothing(shape: Shapes) -> None:
    def program() -> list[object]:
        return [
            ScriptedLLM(answers={"": ["a"]}).invoke(""),
            TurnsModel(turns=["b"]).invoke([HumanMessage("")]).content,
        ]

    seen = shape(program)
    assert [answer for _, answer in seen.pairs] == ["a", "b"]


def test_metadata_and_tags_of_every_kind(shape: Shapes) -> None:
    def program() -> object:
        config: Any = {
            "tags": ["täg", "a\ud800b"],
            "metadata": {
                "n": 10**30,
                "nan": float("nan"),
                "grumpy": Grumpy(),
                "nothing": None,
                "bytes": b"x",
            },
        }
        return RunnableLambda(lambda x: x).with_config(run_name="made").invoke("q", config)

    seen = shape(program)
    assert set(seen.run("made")["tags"].split(", ")) == {"täg", "a?b"}
    assert "Grumpy" in seen.run("made")["metadata"]


def test_an_error_that_cannot_be_read(shape: Shapes) -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def program() -> str:
        def fail(_: object) -> None:
            raise SilentError

        try:
            RunnableLambda(fail).with_config(run_name="made").invoke("q")
        except SilentError:
            return "raised"
        return "not raised"

    seen = shape(program)
    assert seen.result == "raised"
    assert seen.end("made")["error_type"].endswith("SilentError")


def test_an_error_with_a_long_message(shape: Shapes) -> None:
    def fail(_: object) -> None:
        raise ValueError("z" * 1_000_000)

    seen = shape(lambda: RunnableLambda(fail).with_config(run_name="made").invoke("q"))
    assert seen.result == Raised("ValueError", "z" * 1_000_000)
    message = seen.end("made")["error_message"]
    assert message.startswith("zzz")
    assert len(message) < 300_000
