"""Models, tools and retrievers that the shapes share; their answers come from a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import Field

USAGE = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


class TurnsModel(BaseChatModel):
    """A chat model that says one turn a call, in their order; what is an error is raised.

    `choices` answers a call with several generations; `pieces` are the chunks of a stream.
    """

    turns: list[Any] = Field(default_factory=list)
    choices: list[AIMessage] = Field(default_factory=list)
    pieces: list[AIMessageChunk] = Field(default_factory=list)
    meanwhile: Callable[[], object] | None = None
    said: int = 0

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **_: Any,
    ) -> ChatResult:
        if self.meanwhile is not None:
            self.meanwhile()
        if self.choices:
            return ChatResult(generations=[ChatGeneration(message=each) for each in self.choices])
        turn = self.turns[self.said] if self.said < len(self.turns) else AIMessage("done")
        self.said += 1
        if isinstance(turn, BaseException):
            raise turn
        message = AIMessage(turn) if isinstance(turn, str) else turn
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        pieces = self.pieces
        if not pieces:
            message = self._generate(messages).generations[0].message
            pieces = [AIMessageChunk(**message.model_dump(exclude={"type"}))]
        for piece in pieces:
            if self.meanwhile is not None:
                self.meanwhile()
            yield ChatGenerationChunk(message=piece)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[getattr(item, "name", str(item)) for item in tools], **kwargs)

    @property
    def _llm_type(self) -> str:
        return "turns"


def calling(tool_name: str, /, call_id: str = "c1", text: str = "", **arguments: Any) -> AIMessage:
    """A model's turn that asks for one tool."""
    return AIMessage(text, tool_calls=[{"name": tool_name, "args": arguments, "id": call_id}])


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sunny in {city}"


@tool
async def tide(port: str) -> str:
    """Tells the tide of a port."""
    return f"high in {port}"


class Library(BaseRetriever):
    """Finds one book about anything."""

    error: Exception | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        if self.error is not None:
            raise self.error
        metadata = {"source": "shelf.txt", "score": 0.5}
        return [Document(f"about {query}", id="d1", metadata=metadata)]


def shelf(*texts: str) -> InMemoryVectorStore:
    """A vector store of texts, with embeddings that cost nothing."""
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    store.add_texts(list(texts), ids=[f"t{number}" for number in range(len(texts))])
    return store
