"""What LangChain said happened: every callback of every run, heard by a handler of the tests' own.

It is added by LangChain's public configure hook, so it hears what a handler can hear, wherever the
run is started, and owes nothing to the package under test.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult
from langchain_core.tracers.context import register_configure_hook

SWITCH = "CLEARML_OTEL_TESTS_WITNESS"


@dataclass(frozen=True)
class Call:
    """One callback, named as its action record is; `rows` is how many records it makes."""

    action: str
    run_id: str
    parent_run_id: str | None
    thread: int
    rows: int = 1

    @property
    def starts(self) -> bool:
        return self.action.endswith("_start")

    @property
    def ends(self) -> bool:
        # an agent's finish and action are points of its chain's run
        return self.action.endswith(("_end", "_error"))


class Witness(BaseCallbackHandler):
    """Hears; tokens aside, which make no records."""

    run_inline = True
    heard: ClassVar[list[Call]] = []

    def _hear(
        self, action: str, run_id: UUID, parent_run_id: UUID | None = None, rows: int = 1, **_: Any
    ) -> None:
        parent = str(parent_run_id) if parent_run_id else None
        self.heard.append(Call(action, str(run_id), parent, threading.get_ident(), rows))

    def _hear_error(self, kind: str, error: BaseException, **told: Any) -> None:
        # LangGraph pauses and jumps by raising
        control = any(base.__name__ == "GraphBubbleUp" for base in type(error).__mro__)
        self._hear(f"on_{kind}_{'end' if control else 'error'}", **told)

    def on_llm_start(self, serialized: Any, prompts: Any, **told: Any) -> None:
        self._hear("on_llm_start", **told)

    def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
        self._hear("on_llm_start", **told)

    def on_llm_end(self, response: LLMResult, **told: Any) -> None:
        answers = sum(map(len, response.generations))
        self._hear("on_llm_end", **told, rows=max(answers, 1))

    def on_llm_error(self, error: BaseException, **told: Any) -> None:
        self._hear_error("llm", error, **told)

    def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
        self._hear("on_chain_start", **told)

    def on_chain_end(self, outputs: Any, **told: Any) -> None:
        self._hear("on_chain_end", **told)

    def on_chain_error(self, error: BaseException, **told: Any) -> None:
        self._hear_error("chain", error, **told)

    def on_tool_start(self, serialized: Any, input_str: str, **told: Any) -> None:
        self._hear("on_tool_start", **told)

    def on_tool_end(self, output: Any, **told: Any) -> None:
        self._hear("on_tool_end", **told)

    def on_tool_error(self, error: BaseException, **told: Any) -> None:
        self._hear_error("tool", error, **told)

    def on_retriever_start(self, serialized: Any, query: str, **told: Any) -> None:
        self._hear("on_retriever_start", **told)

    def on_retriever_end(self, documents: Any, **told: Any) -> None:
        self._hear("on_retriever_end", **told)

    def on_retriever_error(self, error: BaseException, **told: Any) -> None:
        self._hear_error("retriever", error, **told)

    def on_text(self, text: str, **told: Any) -> None:
        self._hear("on_text", **told)

    def on_retry(self, retry_state: Any, **told: Any) -> None:
        self._hear("on_retry", **told)

    def on_agent_action(self, action: Any, **told: Any) -> None:
        self._hear("on_agent_action", **told)

    def on_agent_finish(self, finish: Any, **told: Any) -> None:
        self._hear("on_agent_finish", **told)

    def on_custom_event(self, name: str, data: Any, **told: Any) -> None:
        self._hear("on_custom_event", **told)


register_configure_hook(ContextVar("witness", default=None), True, Witness, SWITCH)


@contextmanager
def hearing() -> Iterator[list[Call]]:
    """Every callback of the process until the block ends."""
    heard: list[Call] = []
    Witness.heard = heard
    os.environ[SWITCH] = "true"
    try:
        yield heard
    finally:
        del os.environ[SWITCH]
        Witness.heard = []
