"""Shapes that the oldest supported LangChain has too; prints a line for each that failed.

Run with the interpreter of an environment of its own; needs nothing but the package, LangChain and
this folder.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from langchain.agents import AgentExecutor, create_react_agent
from langchain.chains import LLMChain
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool

from support.scripted_models import ScriptedChatModel, ScriptedLLM
from support.shape_parts import USAGE, Library, TurnsModel, calling, weather
from support.shapes import Raised, Shapes, shapes_in_memory

LOOK = "I should look.\nAction: weather\nAction Input: Paris"
KNOW = "I know now.\nFinal Answer: It is sunny."


def completion(shape: Shapes) -> None:
    usage = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
    seen = shape(lambda: ScriptedLLM(usage=usage, model="m-1").invoke("hi"))
    assert seen.pairs == [("hi", "echo hi")]
    assert seen.tokens == [(4, 3, 7)]
    assert seen.run("ScriptedLLM")["model"] == "m-1"


def several_prompts(shape: Shapes) -> None:
    llm = ScriptedLLM(answers={"two": ["one", "other"]})
    seen = shape(lambda: len(llm.generate(["two", "b"]).generations))
    assert seen.pairs == [("two", "one"), ("two", "other"), ("b", "echo b")]
    assert [row["step"] for row in seen.records] == [1, 1, 2, 2, 2]


def async_completion(shape: Shapes) -> None:
    async def program() -> list[str]:
        return await ScriptedLLM().abatch(["a", "b"])

    assert shape(program).pairs == [("a", "echo a"), ("b", "echo b")]


def stream(shape: Shapes) -> None:
    seen = shape(lambda: list(ScriptedLLM(answers={"q": ["abc"]}).stream("q")))
    assert seen.pairs == [("q", "abc")]
    assert seen.run("ScriptedLLM")["stream_tokens"] == 3


def stream_of_a_chat(shape: Shapes) -> None:
    pieces = [AIMessageChunk("a"), AIMessageChunk("b"), AIMessageChunk("", usage_metadata=USAGE)]

    async def program() -> str:
        return "".join([str(each.content) async for each in TurnsModel(pieces=pieces).astream("q")])

    seen = shape(program)
    assert seen.pairs == [("Human: q", "ab")]
    assert seen.tokens == [(5, 2, 7)]


def failure(shape: Shapes) -> None:
    seen = shape(lambda: ScriptedLLM(error=ValueError("down")).invoke("q"))
    assert seen.result == Raised("ValueError", "down")
    end = seen.end("ScriptedLLM")
    assert (end["action"], end["error_message"]) == ("on_llm_error", "down")


def chat(shape: Shapes) -> None:
    asked = [("system", "Be brief."), ("human", "why?")]
    answer = AIMessage("because", usage_metadata=USAGE)
    seen = shape(lambda: TurnsModel(turns=[answer]).invoke(asked).content)
    assert seen.pairs == [("System: Be brief.\nHuman: why?", "because")]
    assert seen.tokens == [(5, 2, 7)]


def image(shape: Shapes) -> None:
    block = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * 50}}
    content: list[Any] = [{"type": "text", "text": "what?"}, block]
    seen = shape(lambda: TurnsModel(turns=["a cat"]).invoke([HumanMessage(content)]).content)
    ((prompt, answer),) = seen.pairs
    assert answer == "a cat"
    assert "image/png" in prompt
    assert "QUJDQUJD" not in repr(seen.spans)


def sequence(shape: Shapes) -> None:
    def program() -> str:
        prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
        return (prompt | TurnsModel(turns=["fine"]) | StrOutputParser()).invoke(
            {"question": "how?"}
        )

    seen = shape(program)
    assert seen.outline == [
        "chain RunnableSequence",
        "  chain ChatPromptTemplate",
        "  llm TurnsModel",
        "  chain StrOutputParser",
    ]
    assert seen.io("RunnableSequence") == ("how?", "fine")


def parallel_batch(shape: Shapes) -> None:
    def program() -> object:
        echo = ScriptedChatModel() | StrOutputParser()
        return RunnableParallel(one=echo, other=RunnablePassthrough()).batch(["x", "y"])

    seen = shape(program)
    assert sorted(seen.pairs) == [("Human: x", "echo x"), ("Human: y", "echo y")]
    assert len({span.trace_id for span in seen.spans}) == 2


def fallback(shape: Shapes) -> None:
    def program() -> object:
        broken = ScriptedLLM(error=ValueError("down"))
        return broken.with_fallbacks([ScriptedLLM()]).invoke("q")

    seen = shape(program)
    assert seen.outline == ["chain RunnableWithFallbacks", "  llm ScriptedLLM", "  llm ScriptedLLM"]
    assert seen.pairs == [("q", None), ("q", "echo q")]


def chain_in_a_tool(shape: Shapes) -> None:
    @tool
    def ask(question: str) -> str:
        """Asks."""
        return (PromptTemplate.from_template("{x}?") | ScriptedLLM()).invoke({"x": question})

    seen = shape(lambda: ask.invoke("why"))
    assert seen.outline[:2] == ["tool ask", "  chain RunnableSequence"]
    assert seen.io("ask") == ("why", "echo why?")


def models_request(shape: Shapes) -> None:
    call = calling("weather", city="Rome").tool_calls[0]
    seen = shape(lambda: weather.invoke(call).content)
    assert seen.io("weather") == ("Rome", "sunny in Rome")


def documents(shape: Shapes) -> None:
    def program() -> object:
        found = Library() | RunnableLambda(lambda books: books[0].page_content)
        prompt = ChatPromptTemplate.from_template("{context} {question}")
        asked = {"context": found, "question": RunnablePassthrough()}
        return (asked | prompt | TurnsModel(turns=["Honey."])).invoke("bears?").content

    seen = shape(program)
    assert seen.pairs == [("Human: about bears? bears?", "Honey.")]
    query, books = seen.io("Library")
    assert (query, json.loads(books)[0]["id"]) == ("bears?", "d1")


def custom_events(shape: Shapes) -> None:
    def work(x: str) -> str:
        dispatch_custom_event("progress", {"done": 1})
        return x

    seen = shape(lambda: RunnableLambda(work).invoke("q"))
    assert seen.actions == ["on_chain_start", "on_custom_event", "on_chain_end"]
    assert seen.rows("on_custom_event")[0]["data"] == '{"done":1}'


def cancelled_chain(shape: Shapes) -> None:
    async def program() -> str:
        async def forever(x: str) -> str:
            await asyncio.Event().wait()
            return x

        try:
            await asyncio.wait_for(RunnableLambda(forever).ainvoke("q"), 0.01)
        except asyncio.TimeoutError:
            return "too late"
        return "in time"

    seen = shape(program)
    assert seen.result == "too late"
    assert seen.end("forever")["error_type"].endswith("CancelledError")


def threads(shape: Shapes) -> None:
    def program() -> list[str]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(ScriptedLLM().invoke, "abcdef"))

    assert set(shape(program).pairs) == {(each, f"echo {each}") for each in "abcdef"}


def classic_chain(shape: Shapes) -> None:
    def program() -> object:
        prompt = PromptTemplate.from_template("Tell of {topic}.")
        return LLMChain(llm=ScriptedLLM(), prompt=prompt).invoke({"topic": "bears"})["text"]

    seen = shape(program)
    assert seen.io("LLMChain") == ("bears", "echo Tell of bears.")
    assert seen.records[-1]["text_ctr"] == 1


def react_agent(shape: Shapes) -> None:
    def program() -> object:
        prompt = PromptTemplate.from_template("{tools} {tool_names} {input}\n{agent_scratchpad}")
        agent = create_react_agent(TurnsModel(turns=[LOOK, KNOW]), [weather], prompt)
        return AgentExecutor(agent=agent, tools=[weather]).invoke({"input": "Paris?"})["output"]

    seen = shape(program)
    assert seen.io("AgentExecutor") == ("Paris?", "It is sunny.")
    assert seen.rows("on_agent_action")[0]["tool_input"] == "Paris"
    assert seen.io("weather") == ("Paris", "sunny in Paris")
    assert seen.records[-1]["agent_ends"] == 1


def explicit_handler(shape: Shapes) -> None:
    def program(handlers: list[Any]) -> str:
        return (RunnableLambda(str) | ScriptedLLM()).invoke("q", {"callbacks": handlers})

    assert shape.explicit(program).pairs == [("q", "echo q")]


SHAPES: tuple[Callable[[Shapes], None], ...] = (
    completion,
    several_prompts,
    async_completion,
    stream,
    stream_of_a_chat,
    failure,
    chat,
    image,
    sequence,
    parallel_batch,
    fallback,
    chain_in_a_tool,
    models_request,
    documents,
    custom_events,
    cancelled_chain,
    threads,
    classic_chain,
    react_agent,
    explicit_handler,
)


def holds(check: Callable[[Shapes], None]) -> bool:
    """Whether a shape is as it must be; what is not is printed."""
    try:
        check(shapes_in_memory())
    except Exception:
        print(f"{check.__name__} failed:\n{traceback.format_exc()}")
        return False
    return True


def main() -> int:
    """Run them all; gives how many failed."""
    held = sum([holds(check) for check in SHAPES])
    print(f"{held} of {len(SHAPES)} shapes")
    return len(SHAPES) - held


if __name__ == "__main__":
    raise SystemExit(main())
