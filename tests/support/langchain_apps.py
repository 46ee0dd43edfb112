"""Small real LangChain and LangGraph applications, whose runs are known."""

from __future__ import annotations

import base64
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from pydantic import Field

PIXELS = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4).decode()
"""A file of 1,032 bytes."""
PIXELS_SIZE = 1_032


class ScriptedAgentModel(BaseChatModel):
    """Answers with its messages, one a call; tools may be bound to it."""

    script: list[AIMessage] = Field(default_factory=list)
    position: int = 0

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **_: Any,
    ) -> ChatResult:
        message = self.script[self.position % len(self.script)]
        self.position += 1
        return ChatResult(generations=[ChatGeneration(message=message)])

    def bind_tools(self, tools: Any, **_: Any) -> Runnable[Any, Any]:
        return self

    @property
    def _llm_type(self) -> str:
        return "scripted-agent"


class Shelf(BaseRetriever):
    """Finds its documents whatever the question."""

    documents: list[Document] = Field(default_factory=list)

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.documents


def calls(name: str, call_id: str = "call_1", **arguments: Any) -> AIMessage:
    """A model's turn that asks for one tool."""
    call = {"name": name, "args": arguments, "id": call_id, "type": "tool_call"}
    return AIMessage("", tool_calls=[call])
