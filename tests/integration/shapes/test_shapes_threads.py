"""The same from many threads and tasks at once: each row with its own run."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel, run_in_executor
from langchain_core.tools import tool

from support.scripted_models import ScriptedChatModel, ScriptedLLM
from support.shape_parts import TurnsModel
from support.shapes import Shapes


def ask(question: object) -> str:
    chain = PromptTemplate.from_template("{x}?") | ScriptedLLM() | StrOutputParser()
    return chain.invoke({"x": question})


def wanted(numbers: range) -> set[tuple[str, str]]:
    return {(f"{number}?", f"echo {number}?") for number in numbers}


def test_a_pool_of_threads(shape: Shapes) -> None:
    def program() -> list[str]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(ask, range(50)))

    seen = shape(program)
    assert seen.result == [f"echo {number}?" for number in range(50)]
    assert set(seen.pairs) == wanted(range(50))
    assert len({span.trace_id for span in seen.spans}) == 50
    assert len(seen.runs) == 200


@pytest.mark.parametrize("copied", [True, False])
def test_threads_below_a_chain(shape: Shapes, copied: bool) -> None:
    def program() -> list[str]:
        def fan_out(_: object) -> list[str]:
            with ThreadPoolExecutor(4) as pool:
                jobs = []
                for number in range(6):
                    run: Callable[..., Any] = (
                        contextvars.copy_context().run if copied else lambda f, x: f(x)
                    )
                    jobs.append(pool.submit(run, ask, number))
                return [job.result() for job in jobs]

        return RunnableLambda(fan_out).invoke("q")

    seen = shape(program)
    assert len(seen.result) == 6
    assert set(seen.pairs) == wanted(range(6))
    # LangChain finds the run above in the context; without it, each thread's chain is a root
    assert len({span.trace_id for span in seen.spans}) == (1 if copied else 7)


def test_fifty_tasks(shape: Shapes) -> None:
    async def one(number: int) -> str:
        chain = PromptTemplate.from_template("{x}?") | ScriptedLLM() | StrOutputParser()
        return await chain.ainvoke({"x": number})

    async def program() -> list[str]:
        return list(await asyncio.gather(*(one(number) for number in range(50))))

    seen = shape(program)
    assert set(seen.pairs) == wanted(range(50))
    assert len({span.trace_id for span in seen.spans}) == 50


def test_tasks_below_a_chain(shape: Shapes) -> None:
    async def program() -> object:
        async def fan_out(_: object) -> list[str]:
            model = ScriptedLLM()
            return list(await asyncio.gather(*(model.ainvoke(str(n)) for n in range(10))))

        return await RunnableLambda(fan_out).ainvoke("q")

    seen = shape(program)
    assert set(seen.pairs) == {(str(n), f"echo {n}") for n in range(10)}
    assert len({span.trace_id for span in seen.spans}) == 1
    root = seen.run("fan_out")["run_id"]
    assert {run["parent_run_id"] for run in seen.runs if run["type"] == "llm"} == {root}


def test_an_executor_from_async_code(shape: Shapes) -> None:
    async def program() -> object:
        async def outer(x: str) -> str:
            return await run_in_executor(None, ask, x)

        return await RunnableLambda(outer).ainvoke("why")

    seen = shape(program)
    assert seen.result == "echo why?"
    assert seen.pairs == [("why?", "echo why?")]
    assert len({span.trace_id for span in seen.spans}) == 1


def test_to_thread(shape: Shapes) -> None:
    async def program() -> object:
        return await asyncio.gather(*(asyncio.to_thread(ask, number) for number in range(5)))

    assert set(shape(program).pairs) == wanted(range(5))


def test_a_parallel_of_parallels(shape: Shapes) -> None:
    def program() -> object:
        def echo(name: str) -> Any:
            return ScriptedChatModel() | StrOutputParser()

        inner = RunnableParallel({name: echo(name) for name in "ab"})
        return RunnableParallel(one=inner, other=inner).batch(["x", "y"])

    seen = shape(program)
    assert len(seen.runs) == 2 * (1 + 2 + 4 * 3)
    assert sorted(seen.pairs) == [("Human: x", "echo x")] * 4 + [("Human: y", "echo y")] * 4
    assert len({span.trace_id for span in seen.spans}) == 2


def test_a_stream_finished_in_another_thread(shape: Shapes) -> None:
    def program() -> str:
        stream = TurnsModel(pieces=[AIMessageChunk(letter) for letter in "abc"]).stream("q")
        found = [str(next(stream).content)]
        reader = threading.Thread(target=lambda: found.extend(str(each.content) for each in stream))
        reader.start()
        reader.join()
        return "".join(found)

    seen = shape(program)
    assert seen.result == "abc"
    assert seen.pairs == [("Human: q", "abc")]
    assert seen.run("TurnsModel")["status"] == "ok"


def test_a_thread_in_a_tool(shape: Shapes) -> None:
    @tool
    def busy(x: str) -> str:
        """Works elsewhere."""
        found: list[str] = []
        context = contextvars.copy_context()
        worker = threading.Thread(target=lambda: found.append(context.run(ask, x)))
        worker.start()
        worker.join()
        return found[0]

    seen = shape(lambda: busy.invoke("why"))
    assert seen.io("busy") == ("why", "echo why?")
    assert seen.outline[:2] == ["tool busy", "  chain RunnableSequence"]


def test_one_loop_after_the_other(shape: Shapes) -> None:
    def program() -> list[str]:
        model = ScriptedLLM()
        return [asyncio.run(model.ainvoke(each)) for each in "abc"]

    seen = shape(program)
    assert seen.pairs == [(each, f"echo {each}") for each in "abc"]


def test_a_sync_chain_inside_a_running_loop(shape: Shapes) -> None:
    async def program() -> str:
        return ask("why")

    assert shape(program).pairs == [("why?", "echo why?")]
