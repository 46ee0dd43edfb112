"""Code of an application's own that makes a span inside of a run, as an HTTP client would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
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
from langchain_core.retrievers import BaseRetriever
from opentelemetry.trace import Tracer
from pydantic import ConfigDict, SkipValidation

CHUNKS = ("one ", "two ", "three ")


class _Probe:
    """A span a call, named after what made it."""

    tracer: SkipValidation[Tracer]

    def probe(self, name: str) -> None:
        with self.tracer.start_as_current_span(name):
            pass


class ProbeChat(_Probe, BaseChatModel):
    """A chat model whose every call and chunk makes a span."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    tracer: SkipValidation[Tracer]
    fails: bool = False

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        self.probe("http generate")
        if self.fails:
            raise ValueError("no answer")
        return ChatResult(generations=[ChatGeneration(message=AIMessage("answer"))])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        await asyncio.sleep(0)
        self.probe("http agenerate")
        return ChatResult(generations=[ChatGeneration(message=AIMessage("answer"))])

    def _stream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in CHUNKS:
            self.probe("http stream")
            yield ChatGenerationChunk(message=AIMessageChunk(content=chunk))

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in CHUNKS:
            await asyncio.sleep(0)
            self.probe("http astream")
            yield ChatGenerationChunk(message=AIMessageChunk(content=chunk))

    @property
    def _llm_type(self) -> str:
        return "probe-chat"


class ProbeLLM(_Probe, BaseLLM):
    """A completion model, likewise."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    tracer: SkipValidation[Tracer]

    def _generate(self, prompts: list[str], *_: Any, **__: Any) -> LLMResult:
        self.probe("http generate")
        return LLMResult(generations=[[Generation(text=prompt)] for prompt in prompts])

    async def _agenerate(self, prompts: list[str], *_: Any, **__: Any) -> LLMResult:
        await asyncio.sleep(0)
        self.probe("http agenerate")
        return LLMResult(generations=[[Generation(text=prompt)] for prompt in prompts])

    def _stream(self, prompt: str, *_: Any, **__: Any) -> Iterator[GenerationChunk]:
        for chunk in CHUNKS:
            self.probe("http stream")
            yield GenerationChunk(text=chunk)

    async def _astream(self, prompt: str, *_: Any, **__: Any) -> AsyncIterator[GenerationChunk]:
        for chunk in CHUNKS:
            await asyncio.sleep(0)
            self.probe("http astream")
            yield GenerationChunk(text=chunk)

    @property
    def _llm_type(self) -> str:
        return "probe-llm"


class ProbeRetriever(_Probe, BaseRetriever):
    """A retriever, likewise."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    tracer: SkipValidation[Tracer]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.probe("db search")
        return [Document(page_content=query)]

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        await asyncio.sleep(0)
        self.probe("db asearch")
        return [Document(page_content=query)]
