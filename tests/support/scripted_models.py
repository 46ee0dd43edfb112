"""Models with answers, usages and errors from a script; everything else is LangChain's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import (
    ChatGeneration,
    ChatResult,
    Generation,
    GenerationChunk,
    LLMResult,
)
from pydantic import Field


class ScriptedLLM(BaseLLM):
    """A completion model: an answer (or several) a prompt, one usage a call."""

    answers: dict[str, list[str]] = Field(default_factory=dict)
    usage: dict[str, int] | None = None
    model: str | None = None
    info: dict[str, Any] | None = None
    error: Exception | None = None

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **_: Any
    ) -> LLMResult:
        if self.error is not None:
            raise self.error
        output: dict[str, Any] = {}
        if self.usage is not None:
            output["token_usage"] = self.usage
        if self.model is not None:
            output["model_name"] = self.model
        return LLMResult(
            generations=[
                [
                    Generation(text=text, generation_info=self.info)
                    for text in self.answers.get(prompt, [f"echo {prompt}"])
                ]
                for prompt in prompts
            ],
            llm_output=output or None,
        )

    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **_: Any
    ) -> Iterator[GenerationChunk]:
        """A character a chunk."""
        (text,) = self.answers.get(prompt, [f"echo {prompt}"])
        for letter in text:
            chunk = GenerationChunk(text=letter)
            if run_manager is not None:
                run_manager.on_llm_new_token(letter, chunk=chunk)
            yield chunk
        if self.error is not None:
            raise self.error

    @property
    def _llm_type(self) -> str:
        return "scripted"


class ScriptedChatModel(BaseChatModel):
    """A chat model that echoes, or fails for the questions named."""

    fails_on: Sequence[str] = ()
    answer: AIMessage | None = None
    llm_output: dict[str, Any] | None = None
    generation_info: dict[str, Any] | None = None

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **_: Any,
    ) -> ChatResult:
        question = str(messages[-1].content)
        if question in self.fails_on:
            raise ValueError(f"no answer to {question}")
        message = self.answer or AIMessage(f"echo {question}")
        generation = ChatGeneration(message=message, generation_info=self.generation_info)
        return ChatResult(generations=[generation], llm_output=self.llm_output)

    @property
    def _llm_type(self) -> str:
        return "scripted-chat"
