"""Random trees of runs: what each does, how it ends, and programs that do it with LangChain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from langchain_core.callbacks import Callbacks, adispatch_custom_event, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import StructuredTool

from support.scripted_models import ScriptedChatModel, ScriptedLLM

LEAVES = ("llm", "chat", "pair", "stream", "given up", "retriever")
"""`pair` is one `generate` call of two prompts; `given up` a stream of which one piece is read."""
INNER = ("chain", "tool")
CANCELLABLE = INNER
"""Of a retriever or a model that is cancelled LangChain says nothing: see test_shapes_endings."""


class NodeError(Exception):
    """A node's own failure."""


@dataclass(frozen=True)
class Node:
    """A run and the runs below it.

    Args:
        kind: one of `INNER` or `LEAVES`.
        fate: `ok`, `error`, or `cancelled`, which is ok where nothing can be cancelled.
        children: of inner nodes; they run before the node's own fate.
        at_once: whether the children run in threads (or tasks) at the same time.
        catches: whether a child's failure stays the child's.
        notes: how many custom events it sends, first of all.
    """

    kind: str
    fate: str = "ok"
    children: tuple[Node, ...] = ()
    at_once: bool = False
    catches: bool = True
    notes: int = 0


def trees(fates: tuple[str, ...]) -> st.SearchStrategy[Node]:
    """Trees of up to three levels and some fifteen runs."""
    leaves = st.builds(Node, st.sampled_from(LEAVES), st.sampled_from(fates))

    def inner(below: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        return st.builds(
            Node,
            st.sampled_from(INNER),
            st.sampled_from(fates),
            st.lists(below, max_size=4).map(tuple),
            st.booleans(),
            st.booleans(),
            st.integers(0, 2),
        )

    return inner(leaves | inner(leaves | inner(leaves)))


# -- what must be recorded -----------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """One run: its name is its path in the tree, such as `n.0.1`."""

    name: str
    parent: str | None
    status: str
    notes: int = field(default=0, compare=False)


def wanted(node: Node, name: str = "n", parent: str | None = None) -> Iterator[Wanted]:
    """The runs of a tree, and how each must have ended."""
    for number, child in enumerate(node.children):
        yield from wanted(child, f"{name}.{number}", name)
        if raises(child) and not node.catches and not node.at_once:
            break
    failed = raises(node) or node.kind == "given up" or is_cancelled(node)
    for _ in range(2 if node.kind == "pair" else 1):
        yield Wanted(name, parent, "error" if failed else "ok", node.notes)


def raises(node: Node) -> bool:
    """Whether the node's failure is one for the node above; a cancellation is not."""
    if not node.catches and any(raises(child) for child in node.children):
        return True
    return node.fate == "error" and node.kind != "given up"


def is_cancelled(node: Node) -> bool:
    return node.fate == "cancelled" and node.kind in CANCELLABLE


# -- the same in LangChain -----------------------------------------------------------------


class Failing(BaseRetriever):
    """A retriever with a node's fate."""

    node: Any
    begun: Any = None

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        if self.node.fate == "error":
            raise NodeError(query)
        return [Document(query)]

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        if is_cancelled(self.node):
            self.begun.set()
            await asyncio.Event().wait()
        return self._get_relevant_documents(query, run_manager=run_manager)


def below(config: RunnableConfig, name: str) -> RunnableConfig:
    """The configuration of a run of that name below the one with `config`."""
    return {"callbacks": config.get("callbacks"), "run_name": name}


def leaf(node: Node, name: str, config: RunnableConfig) -> object:
    """Run a leaf, which may raise."""
    told = below(config, name)
    error = NodeError(name) if node.fate == "error" else None
    llm = ScriptedLLM(answers={name: ["abc"]}, error=error)
    if node.kind == "chat":
        model = ScriptedChatModel(fails_on=[name] if error else [])
        return model.invoke(name, told)
    if node.kind == "pair":
        return llm.generate([name, "other"], callbacks=told["callbacks"], run_name=name)
    if node.kind == "stream":
        return list(llm.stream(name, told))
    if node.kind == "given up":
        stream = llm.stream(name, told)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        return None
    if node.kind == "retriever":
        return Failing(node=node).invoke(name, told)
    return llm.invoke(name, told)


async def aleaf(node: Node, name: str, config: RunnableConfig) -> object:
    """The same with the async methods."""
    told = below(config, name)
    error = NodeError(name) if node.fate == "error" else None
    llm = ScriptedLLM(answers={name: ["abc"]}, error=error)
    if node.kind == "chat":
        return await ScriptedChatModel(fails_on=[name] if error else []).ainvoke(name, told)
    if node.kind == "pair":
        return await llm.agenerate([name, "other"], callbacks=told["callbacks"], run_name=name)
    if node.kind == "stream":
        return [piece async for piece in llm.astream(name, told)]
    if node.kind == "given up":
        stream = llm.astream(name, told)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        return None
    return await llm.ainvoke(name, told)


def run(node: Node, name: str = "n", config: RunnableConfig | None = None) -> object:
    """Run a tree with the sync methods."""
    told = config or RunnableConfig()
    if node.kind in LEAVES:
        return leaf(node, name, told)

    def body(x: str, config: RunnableConfig) -> str:
        """Does what the node says."""
        for number in range(node.notes):
            dispatch_custom_event(name, number, config=config)
        jobs = [
            lambda number=number, child=child: run(child, f"{name}.{number}", config)
            for number, child in enumerate(node.children)
        ]
        if node.at_once:
            with ThreadPoolExecutor(4) as pool:
                futures = [pool.submit(caught, job) for job in jobs]
                errors = [future.result() for future in futures]
                _raise_first(errors, node)
        else:
            for job in jobs:
                _raise_first([caught(job)], node)
        if node.fate == "error":
            raise NodeError(name)
        return x

    return _runnable(node, body, None).invoke(_given(node), below(told, name))


async def arun(node: Node, name: str = "n", config: RunnableConfig | None = None) -> object:
    """Run a tree with the async methods, and cancel what is to be cancelled."""
    told = config or RunnableConfig()
    begun = asyncio.Event()
    if node.kind == "retriever":
        retriever = Failing(node=node, begun=begun)
        return await _cancelled(node, retriever.ainvoke(name, below(told, name)), begun)
    if node.kind in LEAVES:
        return await aleaf(node, name, told)

    async def body(x: str, config: RunnableConfig) -> str:
        """Does what the node says."""
        for number in range(node.notes):
            await adispatch_custom_event(name, number, config=config)
        jobs = [arun(child, f"{name}.{n}", config) for n, child in enumerate(node.children)]
        if node.at_once:
            _raise_first(list(await asyncio.gather(*map(acaught, jobs))), node)
        else:
            try:
                while jobs:
                    _raise_first([await acaught(jobs.pop(0))], node)
            finally:
                for job in jobs:
                    job.close()
        if node.fate == "error":
            raise NodeError(name)
        if node.fate == "cancelled":
            begun.set()
            await asyncio.Event().wait()
        return x

    runnable = _runnable(node, None, body)
    return await _cancelled(node, runnable.ainvoke(_given(node), below(told, name)), begun)


def _runnable(node: Node, body: Any, abody: Any) -> Any:
    if node.kind == "chain":
        return RunnableLambda(body or abody)

    # a tool's `config` is that of the run above; its callbacks are its own

    def work(x: str, callbacks: Callbacks = None) -> str:
        return str(body(x, {"callbacks": callbacks}))

    async def awork(x: str, callbacks: Callbacks = None) -> str:
        return str(await abody(x, {"callbacks": callbacks}))

    return StructuredTool.from_function(
        work if body else None, awork if abody else None, name="tool", description="Works."
    )


def _given(node: Node) -> Any:
    return {"x": "q"} if node.kind == "tool" else "q"


async def _cancelled(node: Node, work: Any, begun: asyncio.Event) -> object:
    """Await the work; where it is to be cancelled, as soon as it waits for that."""
    if not is_cancelled(node):
        return await work
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(begun.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return None


def caught(work: Any) -> Exception | None:
    """Do the work and give its failure."""
    try:
        work()
    except Exception as error:
        return error
    return None


async def acaught(work: Any) -> Exception | None:
    """Likewise, awaited."""
    try:
        await work
    except Exception as error:
        return error
    return None


def _raise_first(errors: list[Exception | None], node: Node) -> None:
    if not node.catches:
        for error in filter(None, errors):
            raise error
