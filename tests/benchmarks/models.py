"""Models, chains and a tool that cost next to nothing themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    GenerationChunk,
    LLMResult,
)
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, tool
from pydantic import PrivateAttr

from benchmarks.texts import texts

_MODEL = "text-davinci-003"
_CHAT_MODEL = "gpt-4o-mini"
_PROMPT_TOKENS = 24


class TextModel(BaseLLM):
    """Answers with a text of so many words; says of itself and its usage what OpenAI's does."""

    words: int
    temperature: float = 0.7
    _answers: Iterator[str] = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        self._answers = texts(self.words)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @property
    def _llm_type(self) -> str:
        return "openai"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": _MODEL, "temperature": self.temperature, "max_tokens": 256, "n": 1}

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        info = {"finish_reason": "stop", "logprobs": None}
        answers = [[Generation(text=next(self._answers), generation_info=info)] for _ in prompts]
        usage = {
            "prompt_tokens": _PROMPT_TOKENS,
            "completion_tokens": self.words,
            "total_tokens": _PROMPT_TOKENS + self.words,
        }
        return LLMResult(
            generations=[*answers], llm_output={"token_usage": usage, "model_name": _MODEL}
        )

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        for word in next(self._answers).split():
            chunk = GenerationChunk(text=f"{word} ")
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


class ChatModel(BaseChatModel):
    """Answers likewise, as OpenAI's chat model does."""

    words: int
    model_name: str = _CHAT_MODEL
    temperature: float = 0.7
    _answers: Iterator[str] = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        self._answers = texts(self.words)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @property
    def _llm_type(self) -> str:
        return "openai-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "temperature": self.temperature, "n": 1}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._result()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for word in next(self._answers).split():
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _result(self) -> ChatResult:
        message = AIMessage(
            content=next(self._answers),
            response_metadata={"model_name": self.model_name, "finish_reason": "stop"},
            usage_metadata={
                "input_tokens": _PROMPT_TOKENS,
                "output_tokens": self.words,
                "total_tokens": _PROMPT_TOKENS + self.words,
            },
        )
        info = {"finish_reason": "stop", "logprobs": None}
        return ChatResult(generations=[ChatGeneration(message=message, generation_info=info)])


def search_tool() -> BaseTool:
    """A tool of two arguments."""

    @tool
    def search_pages(query: str, limit: int = 3) -> str:
        """Search the pages of the manual."""
        return f"{limit} pages about {query}: the chapter on expressions, and two more."

    return search_pages


def sequence(steps: int) -> Runnable[dict[str, str], dict[str, str]]:
    """A sequence of so many steps, each of them a run."""

    def step(value: dict[str, str]) -> dict[str, str]:
        return value

    chain: Runnable[dict[str, str], dict[str, str]] = RunnableLambda(step) | RunnableLambda(step)
    for _ in range(steps - 2):
        chain = chain | RunnableLambda(step)
    return chain


def nested_chain(depth: int) -> Runnable[dict[str, str], dict[str, str]]:
    """So many chain runs inside each other; the innermost answers."""

    def answer(value: dict[str, str]) -> dict[str, str]:
        return {"output": value["input"]}

    async def answer_later(value: dict[str, str]) -> dict[str, str]:
        return answer(value)

    chain: Runnable[dict[str, str], dict[str, str]] = RunnableLambda(answer, answer_later)
    for _ in range(depth - 1):
        chain = _around(chain)
    return chain


def _around(
    inner: Runnable[dict[str, str], dict[str, str]],
) -> Runnable[dict[str, str], dict[str, str]]:
    # the inner run finds its parent in the context that LangChain sets for this function
    def call(value: dict[str, str]) -> dict[str, str]:
        return inner.invoke(value)

    # before Python 3.11 tasks do not inherit that context
    async def call_later(value: dict[str, str], config: RunnableConfig) -> dict[str, str]:
        return await inner.ainvoke(value, config)

    return RunnableLambda(call, call_later)
