"""Where LangChain and LangGraph run a run's code, and how that comes to be inside of the run.

Each place is changed as soon as its module is imported, by whomever and whenever that is; a
place that another version does not have is left alone.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, Final
from uuid import UUID

from opentelemetry.trace import INVALID_SPAN
from wrapt import register_post_import_hook

from clearml_otel.langchain import seam_wrappers as wrap
from clearml_otel.langchain.run_context import KEPT_IN_VARIABLE
from clearml_otel.langchain.run_spans import RunSpans, find_open_run, give_up
from clearml_otel.langchain.runs import OpenRun

logger = logging.getLogger("clearml_otel")


@dataclass(frozen=True, slots=True)
class Seam:
    """One function of LangChain.

    Args:
        path: its name in its module, such as ``"BaseTool.run"``.
        wrapper: what it gets around it.
        always: whether every supported version has it.
    """

    path: str
    wrapper: wrap.Wrapper
    always: bool = True


_CONTEXT: Final = Seam("_set_config_context", wrap.child_context)
# in versions that import the function by name
_CONTEXT_BY_NAME: Final = Seam("_set_config_context", wrap.child_context, always=False)
_WITH_CHAINS: Final = ("langchain", "langchain_classic")  # until 0.3, and since 1.0
_CLASSIC_CHAIN: Final = (
    Seam("Chain.invoke", wrap.call_of("chain")),
    Seam("Chain.ainvoke", wrap.async_call_of("chain")),
)
_GRAPH: Final = (
    Seam("Pregel.stream", wrap.stream_of("chain")),
    Seam("Pregel.astream", wrap.async_stream_of("chain")),
)

SEAMS: Final[Mapping[str, tuple[Seam, ...]]] = MappingProxyType(
    {
        # chains and tools: the context that their code gets; 0.3 says no end of cancelled tools
        "langchain_core.runnables.config": (_CONTEXT,),
        "langchain_core.runnables.base": (_CONTEXT_BY_NAME,),
        "langchain_core.runnables.fallbacks": (_CONTEXT_BY_NAME,),
        "langchain_core.tools.base": (
            _CONTEXT_BY_NAME,
            Seam("BaseTool.arun", wrap.async_call_of("tool", attached=False)),
        ),
        "langgraph._internal._runnable": (_CONTEXT,),
        "langgraph.utils.runnable": (_CONTEXT_BY_NAME,),
        # everything else: frames of our own, which also end what LangChain leaves open
        "langchain_core.language_models.chat_models": (
            Seam("BaseChatModel._generate_with_cache", wrap.model_call),
            Seam("BaseChatModel._agenerate_with_cache", wrap.async_model_call),
            Seam("BaseChatModel.agenerate", wrap.async_call_of("chat_model", attached=False)),
            Seam("BaseChatModel.stream", wrap.stream_of("chat_model")),
            Seam("BaseChatModel.astream", wrap.async_stream_of("chat_model")),
            Seam("BaseChatModel._iter_v2_events", wrap.model_events, always=False),
            Seam("BaseChatModel._aiter_v2_events", wrap.async_model_events, always=False),
        ),
        "langchain_core.language_models.llms": (
            Seam("BaseLLM._generate_helper", wrap.model_call),
            Seam("BaseLLM._agenerate_helper", wrap.async_model_call),
            Seam("BaseLLM.stream", wrap.stream_of("llm")),
            Seam("BaseLLM.astream", wrap.async_stream_of("llm")),
        ),
        "langchain_core.retrievers": (
            Seam("BaseRetriever.invoke", wrap.call_of("retriever")),
            Seam("BaseRetriever.ainvoke", wrap.async_call_of("retriever")),
        ),
        "langchain_core.callbacks.manager": (
            Seam("CallbackManager.on_chat_model_start", wrap.start_of("chat_model")),
            Seam("CallbackManager.on_llm_start", wrap.start_of("llm")),
            Seam("CallbackManager.on_retriever_start", wrap.start_of("retriever")),
            Seam("CallbackManager.on_chain_start", wrap.start_of("chain")),
            Seam("AsyncCallbackManager.on_chat_model_start", wrap.async_start_of("chat_model")),
            Seam("AsyncCallbackManager.on_llm_start", wrap.async_start_of("llm")),
            Seam("AsyncCallbackManager.on_retriever_start", wrap.async_start_of("retriever")),
            Seam("AsyncCallbackManager.on_tool_start", wrap.async_start_of("tool")),
            Seam("AsyncCallbackManager.on_chain_start", wrap.async_start_of("chain")),
        ),
        **{f"{package}.chains.base": _CLASSIC_CHAIN for package in _WITH_CHAINS},
        "langgraph.pregel": _GRAPH,
        "langgraph.pregel.main": _GRAPH,
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """A function that was put around another one, in its place."""

    owner: type | ModuleType
    name: str
    before: Any
    after: Any

    @classmethod
    def made(
        cls, owner: type | ModuleType, name: str, wrapper: Callable[[wrap.Function], wrap.Function]
    ) -> Change:
        """Put the wrapper around the function."""
        before = vars(owner)[name]
        after = wrapper(before)
        setattr(owner, name, after)
        return cls(owner, name, before, after)

    def undo(self) -> None:
        """Put the function back.

        Where somebody else has wrapped ours since, it stays below theirs and does nothing any
        more: taking it out would take theirs out too.
        """
        if vars(self.owner).get(self.name) is self.after:
            setattr(self.owner, self.name, self.before)


class ExecutionSeams:
    """What one ``instrument()`` changes in LangChain's functions.

    Args:
        spans: the runs of the instrumentation's handler, where most lookups end.
    """

    def __init__(self, spans: RunSpans) -> None:
        self._spans = spans
        self._changes: list[Change] = []
        self._on = False

    def install(self) -> None:
        """Change what is imported, and what will be."""
        global _installed
        if not KEPT_IN_VARIABLE:
            logger.debug("clearml-otel: OpenTelemetry's context is not kept in a ContextVar here")
            return
        self._on = True
        _installed = self
        for name in SEAMS:
            if name not in _hooked:
                _hooked.add(name)
                register_post_import_hook(_changed_when_imported, name)
            elif (module := sys.modules.get(name)) is not None:
                self.change(module)

    def remove(self) -> None:
        """Take out what is still ours to take out; the rest does nothing any more."""
        global _installed
        self._on = False
        _installed = None
        for change in reversed(self._changes):
            change.undo()
        self._changes.clear()

    def change(self, module: ModuleType) -> None:
        """Put the wrappers on a module's functions."""
        for seam in SEAMS[module.__name__]:
            *path, name = seam.path.split(".")
            owner: type | ModuleType | None = getattr(module, path[0], None) if path else module
            before: Any = vars(owner).get(name) if owner is not None else None
            if owner is None or before is None:
                if seam.always:
                    where = f"{module.__name__}.{seam.path}"
                    logger.debug("clearml-otel: no %s: spans made in it get another parent", where)
            elif all(before is not change.after for change in self._changes):
                self._changes.append(Change.made(owner, name, self._wrapper(seam)))

    def _wrapper(self, seam: Seam) -> Callable[[wrap.Function], wrap.Function]:
        return lambda function: seam.wrapper(function, self)

    def open_run(self, run_id: object) -> OpenRun | None:
        """The open run of that id that has a span, whichever handler was told of it."""
        if not self._on or not isinstance(run_id, UUID):
            return None
        run = self._spans.open_by_number.get(run_id.int) or find_open_run(run_id)
        return run if run is not None and run.span is not INVALID_SPAN else None

    def give_up(self, run_id: object, error: BaseException) -> None:
        """End a run that LangChain has left open, such as a cancelled chat's."""
        if self._on and isinstance(run_id, UUID):
            give_up(run_id, error)


_installed: ExecutionSeams | None = None
_hooked: set[str] = set()


def _changed_when_imported(module: ModuleType) -> None:
    """One hook a module and process: hooks cannot be taken back."""
    if _installed is not None:
        _installed.change(module)
