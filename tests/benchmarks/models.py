"""A completion model and a chain that cost next to nothing themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import PrivateAttr

from benchmarks.texts import texts

_MODEL = "text-davinci-003"
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


def nested_chain(depth: int) -> Runnable[dict[str, str], dict[str, str]]:
    """So many chain runs inside each other; the innermost answers."""

    def answer(value: dict[str, str]) -> dict[str, str]:
        return {"output": value["input"]}

    chain: Runnable[dict[str, str], dict[str, str]] = RunnableLambda(answer)
    for _ in range(depth - 1):
        chain = _around(chain)
    return chain


def _around(
    inner: Runnable[dict[str, str], dict[str, str]],
) -> Runnable[dict[str, str], dict[str, str]]:
    # the inner run finds its parent in the context that LangChain sets for this function
    def call(value: dict[str, str]) -> dict[str, str]:
        return inner.invoke(value)

    return RunnableLambda(call)
