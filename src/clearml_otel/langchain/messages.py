"""LangChain messages as the GenAI conventions' message JSON.

Schemas: ``gen_ai.input.messages`` and ``gen_ai.output.messages`` of the GenAI semantic
conventions. Images, audio and files are told by reference; their bytes stay out unless asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any, Final, Protocol, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)

from clearml_otel.langchain.media import media_part
from clearml_otel.langchain.message_forms import ROLES, as_message
from clearml_otel.langchain.message_parts import (
    content_parts,
    readable,
    text_part,
    tool_call_part,
    tool_response_part,
)
from clearml_otel.langchain.values import MAX_TOTAL, Json, clean_text, plain_json, to_json, to_text

_REASONING_KEYS: Final = ("reasoning_content", "reasoning")
"""Where integrations put what their models thought, beside the content."""
_PLAIN_ROLES: Final[Mapping[type, str]] = {
    HumanMessage: "user",
    SystemMessage: "system",
    AIMessage: "assistant",
    AIMessageChunk: "assistant",
}
# a text as JSON has it, not escaped to ASCII
_quoted: Final = encode_basestring
_TOOLS: Final = frozenset({"tool", "function", "ToolMessageChunk", "FunctionMessageChunk"})
_MODELS: Final = frozenset({"ai", "AIMessageChunk"})


def prompt_message(prompt: object) -> dict[str, Json]:
    """A completion prompt as a user's message."""
    return {"role": "user", "parts": [text_part(prompt)]}


def prompts_json(prompts: Iterable[object]) -> str:
    """Completion prompts as the convention's JSON."""
    told = [
        f"{_text_json('user', prompt)}}}"
        if type(prompt) is str
        else plain_json(prompt_message(prompt))
        for prompt in prompts
    ]
    return _joined(told)


def conversations_json(
    conversations: Iterable[Iterable[object]], *, capture_bytes: bool = False
) -> str:
    """Lists of chat messages, one after the other, as the convention's JSON.

    Args:
        conversations: LangChain's messages, or any form that :func:`as_message` knows.
        capture_bytes: whether files are kept with their bytes, base64-encoded.
    """
    told = [
        f"{text}}}"
        if (text := _only_text_json(message))
        else plain_json(message_json(message, capture_bytes=capture_bytes))
        for turn in conversations
        for message in turn
    ]
    return _joined(told)


class Said(Protocol):
    """One answer of a model."""

    @property
    def text(self) -> str:
        """Its text."""
        ...

    @property
    def message(self) -> BaseMessage | None:
        """Its message, of chat models."""
        ...

    @property
    def finish_reason(self) -> str:
        """Why the model stopped; empty where it did not say."""
        ...


def answers_json(answers: Iterable[Said], *, capture_bytes: bool = False) -> str:
    """A model's answers as the convention's JSON.

    Args:
        answers: the answers.
        capture_bytes: whether files are kept with their bytes, base64-encoded.
    """
    told: list[str] = []
    for answer in answers:
        text, message, reason = answer.text, answer.message, answer.finish_reason
        if message is not None:
            begun = _only_text_json(message)
        else:
            begun = _text_json("assistant", text) if type(text) is str else None
        if begun is None:
            whole = output_message(text, message, reason or None, capture_bytes=capture_bytes)
            told.append(plain_json(whole))
        else:
            told.append(f'{begun},"finish_reason":{_quoted(reason)}}}' if reason else f"{begun}}}")
    return _joined(told)


def _joined(messages: list[str]) -> str:
    text = f"[{','.join(messages)}]"
    return text if len(text) <= MAX_TOTAL else to_json(json.loads(text))


def _only_text_json(message: object) -> str | None:
    """A message that is a text and nothing else, as JSON but for its last brace; else None.

    Most are, and this takes a third of the time that building and encoding a dictionary takes.
    """
    role = _PLAIN_ROLES.get(type(message))
    if role is None:
        return None
    # where pydantic keeps them
    fields: dict[str, Any] = message.__dict__
    content: object = fields.get("content")
    if type(content) is not str or not content:
        return None
    if fields.get("name") or fields.get("additional_kwargs"):
        return None
    if role == "assistant" and (fields.get("tool_calls") or fields.get("invalid_tool_calls")):
        return None
    return _text_json(role, content)


def _text_json(role: str, text: str) -> str:
    quoted = _quoted(clean_text(text))
    return f'{{"role":"{role}","parts":[{{"type":"text","content":{quoted}}}]'


def output_message(
    text: object, message: object, finish_reason: str | None, *, capture_bytes: bool = False
) -> dict[str, Json]:
    """One generation as an output message.

    Args:
        text: the generation's ``text``.
        message: its ``message``, for chat models.
        finish_reason: why the model stopped, where it said so.
        capture_bytes: whether files are kept with their bytes, base64-encoded.
    """
    result: dict[str, Json] = {"role": "assistant", "parts": [text_part(text)]}
    if isinstance(message, BaseMessage):
        result = message_json(message, capture_bytes=capture_bytes)
    if finish_reason is not None:
        result["finish_reason"] = finish_reason
    return result


def message_json(message: object, *, capture_bytes: bool = False) -> dict[str, Json]:
    """One message as the convention's JSON; see :func:`conversations_json`."""
    if not isinstance(message, BaseMessage):
        bare: dict[str, Json] = {"role": "user", "parts": [text_part(message)]}
        return as_message(message) or bare
    kind = message.type
    role = ROLES.get(kind)
    if role is None:
        role = clean_text(str(getattr(message, "role", None) or kind), 1_000)
    result: dict[str, Json] = {"role": role, "parts": _parts(message, kind, capture_bytes)}
    if message.name:
        result["name"] = clean_text(str(message.name), 1_000)
    return result


def message_text(message: BaseMessage) -> str:
    """A message as a text: what it says, and its files in brackets.

    A tool's message is its response; one that only calls tools is those calls, in brackets.
    """
    content: Any = message.content  # pyright: ignore[reportUnknownMemberType]  # str or any blocks
    if type(content) is str and content:
        return clean_text(content)
    return readable(_parts(message, message.type, capture_bytes=False))


def _parts(message: BaseMessage, kind: str, capture_bytes: bool) -> list[Json]:
    content: Any = message.content  # pyright: ignore[reportUnknownMemberType]  # str or any blocks
    beside = message.additional_kwargs  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]  # dict of anything
    if kind in _TOOLS:
        call_id = getattr(message, "tool_call_id", None)
        return [tool_response_part(content, call_id, capture_bytes=capture_bytes)]
    # pydantic takes long to say that there is no such attribute
    calls = _tool_calls(message) if kind in _MODELS else []
    if type(content) is str and not beside:
        return [{"type": "text", "content": clean_text(content)}, *calls] if content else calls
    parts = content_parts(content, calls_told=bool(calls), capture_bytes=capture_bytes)
    if beside:
        parts = _beside_the_content(message, parts, capture_bytes)
    return parts + calls


def _tool_calls(message: BaseMessage) -> list[Json]:
    calls: list[Json] = [
        tool_call_part(call)
        for several in (
            getattr(message, "tool_calls", None),
            getattr(message, "invalid_tool_calls", None),
        )
        for call in several or ()
    ]
    function: Any = message.additional_kwargs.get("function_call")  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]  # dict of anything
    if not calls and isinstance(function, Mapping):
        calls.append(tool_call_part({"function": function}))  # OpenAI's, before there were tools
    return calls


def _beside_the_content(message: BaseMessage, parts: list[Json], capture_bytes: bool) -> list[Json]:
    """What integrations keep outside of the content: reasoning, refusals, spoken answers."""
    beside = cast("Mapping[str, Any]", message.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]  # dict of anything
    kinds = {str(part["type"]) for part in parts if isinstance(part, dict)}
    if "reasoning" not in kinds:
        thought = next((beside[key] for key in _REASONING_KEYS if beside.get(key)), None)
        if thought is not None:
            parts = [*content_parts([{"type": "reasoning", "reasoning": thought}]), *parts]
    if "text" not in kinds and (refusal := beside.get("refusal")):
        parts.append(text_part(refusal))
    audio: object = beside.get("audio")
    said = cast("Mapping[str, Any]", audio) if isinstance(audio, Mapping) else dict[str, Any]()
    if said.get("data"):
        parts.append(media_part("audio", said, capture_bytes=capture_bytes))
        if "text" not in kinds and (transcript := said.get("transcript")):
            parts.append({"type": "text", "content": to_text(transcript)})
    return parts
