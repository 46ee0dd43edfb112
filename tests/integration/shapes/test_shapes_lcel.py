"""LCEL: sequences, branches, routers, retries, histories, whatever runnables are made of."""

from __future__ import annotations

from operator import itemgetter
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.runnables import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    chain,
)
from langchain_core.runnables.history import RunnableWithMessageHistory

from clearml_otel import attributes as names
from support.scripted_models import ScriptedLLM
from support.shape_parts import TurnsModel
from support.shapes import Raised, Shapes, warnings_ignored


def step(name: str, work: Any) -> Runnable[Any, Any]:
    return RunnableLambda(work).with_config(run_name=name)


# -- prompts -------------------------------------------------------------------------------


def test_a_string_prompt(shape: Shapes) -> None:
    def program() -> str:
        return (PromptTemplate.from_template("Tell of {topic}.") | ScriptedLLM()).invoke(
            {"topic": "bears"}
        )

    seen = shape(program)
    assert seen.result == "echo Tell of bears."
    assert seen.outline == ["chain RunnableSequence", "  chain PromptTemplate", "  llm ScriptedLLM"]
    assert seen.io("RunnableSequence") == ("bears", "echo Tell of bears.")
    assert seen.io("PromptTemplate") == ("bears", "Tell of bears.")
    assert seen.pairs == [("Tell of bears.", "echo Tell of bears.")]


def test_a_chat_prompt(shape: Shapes) -> None:
    def program() -> str:
        prompt = ChatPromptTemplate.from_messages(
            [("system", "Be {how}."), ("human", "{question}")]
        )
        model = FakeListChatModel(responses=["Because."])
        return (prompt | model | StrOutputParser()).invoke({"how": "brief", "question": "why?"})

    seen = shape(program)
    assert seen.result == "Because."
    # of several inputs the one that is a question
    assert seen.io("RunnableSequence") == ("why?", "Because.")
    assert seen.io("ChatPromptTemplate")[1] == "System: Be brief.\nHuman: why?"
    assert seen.pairs == [("System: Be brief.\nHuman: why?", "Because.")]


def test_a_few_shot_prompt(shape: Shapes) -> None:
    def program() -> str:
        example = PromptTemplate.from_template("{word} - {opposite}")
        prompt = FewShotPromptTemplate(
            examples=[{"word": "hot", "opposite": "cold"}],
            example_prompt=example,
            suffix="{word} -",
            input_variables=["word"],
        )
        return (prompt | ScriptedLLM(answers={"hot - cold\n\nbig -": ["small"]})).invoke(
            {"word": "big"}
        )

    seen = shape(program)
    assert seen.result == "small"
    assert seen.pairs == [("hot - cold\n\nbig -", "small")]
    assert seen.io("FewShotPromptTemplate") == ("big", "hot - cold\n\nbig -")


# -- combinations --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_sequence(shape: Shapes, how: str) -> None:
    def sequence() -> Runnable[Any, Any]:
        return step("one", lambda x: x + 1) | step("two", lambda x: x * 2) | step("three", str)

    async def ainvoke() -> object:
        return await sequence().ainvoke(1)

    seen = shape(ainvoke if how == "ainvoke" else lambda: sequence().invoke(1))
    assert seen.result == "4"
    assert seen.outline == ["chain RunnableSequence", "  chain one", "  chain two", "  chain three"]
    assert [seen.io(name) for name in ("RunnableSequence", "one", "two", "three")] == [
        ("1", "4"),
        ("1", "2"),
        ("2", "4"),
        ("4", "4"),
    ]


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_parallel_branches(shape: Shapes, how: str) -> None:
    def both() -> Runnable[Any, Any]:
        return RunnableParallel(
            left=step("left", lambda x: x + 1), right=step("right", lambda x: x - 1)
        )

    async def ainvoke() -> object:
        return await both().ainvoke(5)

    seen = shape(ainvoke if how == "ainvoke" else lambda: both().invoke(5))
    assert seen.result == {"left": 6, "right": 4}
    parent = seen.run("RunnableParallel<left,right>")["run_id"]
    assert {seen.run(name)["parent_run_id"] for name in ("left", "right")} == {parent}
    assert (seen.io("left"), seen.io("right")) == (("5", "6"), ("5", "4"))


def test_a_branch(shape: Shapes) -> None:
    def program() -> list[str]:
        big = step("big", lambda _: "many")
        branch = RunnableBranch((lambda n: n > 1, big), step("small", lambda _: "few"))
        return [branch.invoke(2), branch.invoke(1)]

    seen = shape(program)
    assert seen.result == ["many", "few"]
    assert [seen.io("RunnableBranch", nth) for nth in (0, 1)] == [("2", "many"), ("1", "few")]
    assert seen.run("big")["parent_run_id"] == seen.run("RunnableBranch", 0)["run_id"]
    assert seen.run("small")["parent_run_id"] == seen.run("RunnableBranch", 1)["run_id"]


def test_a_passthrough_that_assigns(shape: Shapes) -> None:
    def program() -> object:
        assign = RunnablePassthrough.assign(length=itemgetter("question") | RunnableLambda(len))
        return assign.invoke({"question": "why?"})

    seen = shape(program)
    assert seen.result == {"question": "why?", "length": 4}
    assert seen.outline == [
        "chain RunnableAssign<length>",
        "  chain RunnableParallel<length>",
        "    chain RunnableSequence",
        "      chain RunnableLambda",
        "      chain len",
    ]
    assert seen.io("len") == ("why?", "4")


def test_a_router(shape: Shapes) -> None:
    def program() -> object:
        router = RouterRunnable(
            runnables={"add": step("add", lambda x: x + 1), "no": step("no", str)}
        )
        return router.invoke({"key": "add", "input": 1})

    seen = shape(program)
    assert seen.result == 2
    assert seen.outline == ["chain add"]


def test_a_map(shape: Shapes) -> None:
    seen = shape(lambda: step("up", str.upper).map().invoke(["a", "b"]))
    assert seen.result == ["A", "B"]
    assert sorted(run["name"] for run in seen.runs if run["parent_run_id"]) == ["up", "up"]
    assert sorted([seen.io("up", 0), seen.io("up", 1)]) == [("a", "A"), ("b", "B")]


def test_fallbacks_of_a_chain(shape: Shapes) -> None:
    def program() -> object:
        def fail(_: object) -> None:
            raise KeyError("lost")

        return step("first", fail).with_fallbacks([step("second", lambda _: "saved")]).invoke("q")

    seen = shape(program)
    assert seen.result == "saved"
    assert seen.outline == ["chain RunnableWithFallbacks", "  chain first", "  chain second"]
    assert seen.end("first")["error_type"] == "KeyError"
    assert seen.io("RunnableWithFallbacks") == ("q", "saved")
    assert seen.records[-1]["errors"] == 1


def test_a_chain_that_is_tried_again(shape: Shapes) -> None:
    def program() -> object:
        left = iter([ValueError("once"), ValueError("twice"), None])

        def flaky(x: object) -> object:
            if (error := next(left)) is not None:
                raise error
            return x

        retried = RunnableLambda(flaky).with_retry(
            wait_exponential_jitter=False, stop_after_attempt=3
        )
        return retried.invoke("q")

    seen = shape(program)
    assert seen.result == "q"
    assert [row["error_message"] for row in seen.rows("on_chain_error")] == ["once", "twice"]
    assert len(seen.runs) == 4


def test_a_lambda_that_returns_a_chain(shape: Shapes) -> None:
    seen = shape(lambda: step("outer", lambda _: step("inner", str.upper)).invoke("q"))
    assert seen.result == "Q"
    assert seen.outline == ["chain outer", "  chain inner"]
    assert seen.io("outer") == ("q", "Q")


def test_the_chain_decorator(shape: Shapes) -> None:
    def program() -> object:
        @chain
        def ask(question: str) -> object:
            return FakeListChatModel(responses=["fine"]).invoke(question).content

        return ask.invoke("how?")

    seen = shape(program)
    assert seen.outline == ["chain ask", "  llm FakeListChatModel"]
    assert seen.io("ask") == ("how?", "fine")


def test_an_async_lambda(shape: Shapes) -> None:
    async def double(x: int) -> int:
        return x * 2

    async def program() -> list[int]:
        return await RunnableLambda(double).abatch([1, 2, 3])

    seen = shape(program)
    assert seen.result == [2, 4, 6]
    assert [seen.io("double", nth) for nth in range(3)] == [("1", "2"), ("2", "4"), ("3", "6")]
    assert len({span.trace_id for span in seen.spans}) == 3


def test_batch_as_completed(shape: Shapes) -> None:
    def program() -> list[Any]:
        return sorted(step("up", str.upper).batch_as_completed(["a", "b", "c"]))

    seen = shape(program)
    assert seen.result == [(0, "A"), (1, "B"), (2, "C")]
    assert sorted(seen.io("up", nth) for nth in range(3)) == [("a", "A"), ("b", "B"), ("c", "C")]


# -- configuration and history -------------------------------------------------------------


def test_a_binding_with_config(shape: Shapes) -> None:
    given = uuid4()

    def program() -> object:
        model = TurnsModel(turns=["fine"]).with_config(
            tags=["mine"], metadata={"user": "ann"}, run_name="Asked"
        )
        return model.invoke("q", {"tags": ["now"], "run_id": given}).content

    seen = shape(program)
    run = seen.run("Asked")
    assert UUID(run["run_id"]) == given
    assert set(run["tags"].split(", ")) == {"mine", "now"}
    assert '"user": "ann"' in run["metadata"]
    assert seen.pairs == [("Human: q", "fine")]


def test_tags_and_metadata_reach_the_runs_below(shape: Shapes) -> None:
    def program() -> object:
        sequence = step("one", str) | step("two", str)
        return sequence.invoke("q", {"tags": ["t"], "metadata": {"session_id": "s-9"}})

    seen = shape(program)
    assert ["t" in run["tags"].split(", ") for run in seen.runs] == [True] * 3
    assert {span.attributes[names.SESSION_ID] for span in seen.spans} == {"s-9"}
    assert {span.attributes[names.CONVERSATION_ID] for span in seen.spans} == {"s-9"}


def test_a_message_history(shape: Shapes) -> None:
    def program() -> list[str]:
        with warnings_ignored():
            histories: dict[str, InMemoryChatMessageHistory] = {}
            prompt = ChatPromptTemplate.from_messages(
                [MessagesPlaceholder("past"), ("human", "{input}")]
            )
            talk = RunnableWithMessageHistory(
                prompt | TurnsModel(turns=["hello", "fine"]),
                lambda session_id: histories.setdefault(session_id, InMemoryChatMessageHistory()),
                input_messages_key="input",
                history_messages_key="past",
            )
            config: Any = {"configurable": {"session_id": "s-1"}}
            return [str(talk.invoke({"input": each}, config).content) for each in ("hi", "how?")]

    seen = shape(program)
    assert seen.result == ["hello", "fine"]
    assert seen.pairs == [("Human: hi", "hello"), ("Human: hi\nAI: hello\nHuman: how?", "fine")]
    assert [seen.io("RunnableWithMessageHistory", nth) for nth in (0, 1)] == [
        ("hi", "hello"),
        ("how?", "fine"),
    ]


def test_an_error_in_the_middle(shape: Shapes) -> None:
    def program() -> object:
        return (
            step("fine", str) | step("broken", lambda x: 1 / len(x[1:])) | step("never", str)
        ).invoke("q")

    seen = shape(program)
    assert seen.result == Raised("ZeroDivisionError", "division by zero")
    assert seen.actions == [
        "on_chain_start",
        "on_chain_start",
        "on_chain_end",
        "on_chain_start",
        "on_chain_error",
        "on_chain_error",
    ]
    for name in ("broken", "RunnableSequence"):
        end = seen.end(name)
        assert (end["error_type"], end["error_message"]) == (
            "ZeroDivisionError",
            "division by zero",
        )
    assert seen.records[-1]["errors"] == 2
