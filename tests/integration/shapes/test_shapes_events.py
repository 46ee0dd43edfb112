"""Callbacks without duration: the application's own events, texts, retries."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import (
    CallbackManagerForLLMRun,
    CallbackManagerForRetrieverRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.documents import Document
from langchain_core.language_models.llms import LLM, create_base_retry_decorator
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from support.shapes import Shapes


@pytest.mark.parametrize("how", ["sync", "async"])
def test_custom_events(shape: Shapes, how: str) -> None:
    def work(x: str) -> str:
        dispatch_custom_event("progress", {"done": 1})
        dispatch_custom_event("note", "half way")
        return x

    async def awork(x: str) -> str:
        await adispatch_custom_event("progress", {"done": 1})
        await adispatch_custom_event("note", "half way")
        return x

    async def program() -> object:
        return await RunnableLambda(awork).with_config(run_name="work").ainvoke("q")

    seen = shape(program if how == "async" else lambda: RunnableLambda(work).invoke("q"))
    assert seen.actions == ["on_chain_start", "on_custom_event", "on_custom_event", "on_chain_end"]
    told = [(row["name"], row["data"]) for row in seen.rows("on_custom_event")]
    assert told == [("progress", '{"done":1}'), ("note", "half way")]


def test_custom_events_in_a_tool_in_a_chain(shape: Shapes) -> None:
    @tool
    def step(x: str) -> str:
        """Steps."""
        dispatch_custom_event("in tool", None)
        return x

    seen = shape(lambda: RunnableLambda(lambda x: step.invoke(x)).invoke("q"))
    assert seen.actions == [
        "on_chain_start",
        "on_tool_start",
        "on_custom_event",
        "on_tool_end",
        "on_chain_end",
    ]
    (event,) = seen.span("step").events
    assert event.name == "langchain.custom_event"


def test_custom_events_of_any_data(shape: Shapes) -> None:
    def work(x: str) -> str:
        for data in (b"bytes", float("nan"), {1: {2, 3}}, "x" * 10_000, [None]):
            dispatch_custom_event("data", data)
        return x

    seen = shape(lambda: RunnableLambda(work).invoke("q"))
    told = [row["data"] for row in seen.rows("on_custom_event")]
    assert len(told) == 5
    assert told[3] == "x" * 10_000


def test_three_hundred_events(shape: Shapes) -> None:
    def work(x: str) -> str:
        for number in range(300):
            dispatch_custom_event("count", number)
        return x

    seen = shape(lambda: RunnableLambda(work).invoke("q"))
    assert [row["data"] for row in seen.rows("on_custom_event")] == [str(n) for n in range(300)]
    assert seen.run("work")["lost"] is None


class Flaky(LLM):
    """Fails once, and is tried again the way LangChain's integrations do it."""

    tries: int = 0

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        retrying = create_base_retry_decorator(
            [TimeoutError], max_retries=3, run_manager=run_manager
        )

        @retrying
        def ask() -> str:
            self.tries += 1
            if self.tries == 1:
                raise TimeoutError("too slow")
            return f"echo {prompt}"

        ask.retry.sleep = lambda _: None  # type: ignore[attr-defined]
        return str(ask())

    @property
    def _llm_type(self) -> str:
        return "flaky"


def test_retries_with_tenacity(shape: Shapes) -> None:
    seen = shape(lambda: Flaky().invoke("q"))
    assert seen.result == "echo q"
    assert seen.actions == ["on_llm_start", "on_retry", "on_llm_end"]
    (retry,) = seen.rows("on_retry")
    assert (retry["attempt"], retry["error_message"]) == ("1", "TimeoutError: too slow")
    assert seen.pairs == [("q", "echo q")]


def test_a_text_of_a_retriever(shape: Shapes) -> None:
    class Talking(BaseRetriever):
        def _get_relevant_documents(
            self, query: str, *, run_manager: CallbackManagerForRetrieverRun
        ) -> list[Document]:
            run_manager.on_text("looking\n", verbose=True)
            return []

    seen = shape(lambda: Talking().invoke("q"))
    assert seen.actions == ["on_retriever_start", "on_text", "on_retriever_end"]
    assert seen.rows("on_text")[0]["text"] == "looking\n"
