"""The question in a chain's input and the answer in its output, whatever their shapes."""

from __future__ import annotations

from typing import Any, Final

from clearml_otel.langchain.readable import Wanted, in_words, text_in
from clearml_otel.langchain.values import clean_text

_QUESTION_KEYS: Final = (
    "input",
    "human_input",
    "user_input",
    "question",
    "user_question",
    "query",
    "prompt",
    "message",
    "messages",
    "text",
    "task",
    "objective",
    "instruction",
    "instructions",
    "tool_call",
)
_BACKGROUND: Final = frozenset(
    {
        "history",
        "chat_history",
        "conversation_history",
        "agent_scratchpad",
        "intermediate_steps",
        "context",
        "documents",
        "source_documents",
        "remaining_steps",
        "is_last_step",
    }
)
_QUESTION: Final = Wanted(_QUESTION_KEYS, _QUESTION_KEYS, _BACKGROUND)
_ANSWER: Final = Wanted(
    (
        "__interrupt__",
        "structured_response",
        "output",
        "answer",
        "result",
        "response",
        "final_answer",
        "final_output",
        "output_text",
        "generation",
        "completion",
        "text",
        "content",
        "message",
        "messages",
    ),
    ("messages",),
    _BACKGROUND | {"input", "question", "query"},
)
_QUESTION_SET: Final = frozenset(_QUESTION.keys)
_ANSWER_SET: Final = frozenset(_ANSWER.keys)


def chain_input(value: object) -> str:
    """What a chain was asked, as one text."""
    only = _only_text(value, _QUESTION_SET)
    return _readable(value, _QUESTION) if only is None else clean_text(only)


def chain_output(value: object) -> str:
    """What a chain answered, as one text."""
    only = _only_text(value, _ANSWER_SET)
    return _readable(value, _ANSWER) if only is None else clean_text(only)


def _only_text(value: Any, keys: frozenset[str]) -> str | None:
    """The text that most chains take or give: alone, or under one of the keys and with no other."""
    if type(value) is str:
        return value
    if type(value) is dict:
        fields: dict[object, object] = value  # pyright: ignore[reportUnknownVariableType]  # a cast is a call
        if len(fields) == 1:
            ((key, only),) = fields.items()
            if type(only) is str and type(key) is str and key in keys:
                return only
    return None


def _readable(value: object, wanted: Wanted) -> str:
    try:
        return text_in(value, wanted)
    except Exception:  # noqa: BLE001 - a container of the application's own may raise anything
        return in_words(value)
