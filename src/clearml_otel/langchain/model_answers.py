"""A model's answers, read once: texts, messages, finish reasons and what else they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from clearml_otel import attributes as names
from clearml_otel.langchain.guard import report_error
from clearml_otel.langchain.mappings import fields_of, word
from clearml_otel.langchain.messages import answers_json
from clearml_otel.langchain.values import plain, plain_json

_PROVIDER: Final = "provider"
_ATTRIBUTES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("model_name", "model", "model_id", "model_version"), names.RESPONSE_MODEL),
    **dict.fromkeys(("id", "response_id", "generation_id"), names.RESPONSE_ID),
    "model_provider": _PROVIDER,
    "service_tier": names.OPENAI_RESPONSE_SERVICE_TIER,
    "system_fingerprint": names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
}
"""Where it stands what each attribute says, the best place of each first."""
_PLACES: Final = tuple(_ATTRIBUTES)
_TOLD: Final = frozenset(_ATTRIBUTES)
_OPENAI: Final = (names.OPENAI_RESPONSE_SERVICE_TIER, names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT)
_FINISH_KEYS: Final = ("finish_reason", "stop_reason", "stopReason", "done_reason", "finishReason")
_ANY_REASON: Final = frozenset(_FINISH_KEYS)
_STATUSES: Final[Mapping[str, str]] = {
    "completed": "stop",
    "incomplete": "incomplete",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""How a response of OpenAI's Responses API ended, which has no finish reason."""
_LANGCHAIN_IDS: Final = ("run-", "lc_")
"""How the ids begin that LangChain gives to messages whose provider gave none."""


_NOTHING: Final[dict[str, Any]] = {}


@dataclass(slots=True)
class Answer:
    """One answer.

    Args:
        text: its text.
        message: the chat model's message; None for completions.
        info: the generation's ``generation_info``.
        metadata: the message's ``response_metadata``.
        usage: the message's ``usage_metadata``.
        finish_reason: why the model stopped, in the provider's word; empty where it did not say.
    """

    text: str
    message: BaseMessage | None
    info: dict[str, Any]
    metadata: dict[str, Any]
    usage: dict[str, Any]
    finish_reason: str


@dataclass(slots=True)
class Answers:
    """The answers to the one prompt of a run, and what was said of all of them together.

    Args:
        output: the result's ``llm_output``.
        items: the answers, in their order.
    """

    output: dict[str, Any]
    items: list[Answer]

    @property
    def texts(self) -> list[str]:
        """The answers' texts."""
        return [item.text for item in self.items]


def answers_of(response: LLMResult) -> Answers:
    """Read a model's result; LangChain gives each run its own."""
    answers = Answers(fields_of(response.llm_output), [])
    for prompt in response.generations:
        for generation in prompt:
            try:
                answer = _answer(generation)
            except Exception as error:  # noqa: BLE001 - a provider's response may hold anything
                report_error("answer", error)
                answer = Answer("", None, {}, {}, {}, "")
            if not answer.finish_reason and answers.output:
                # Bedrock's completions say it once, beside the answers
                answer.finish_reason = _finish_reason(answers.output)
            answers.items.append(answer)
    return answers


def response_attributes(answers: Answers) -> dict[str, Any]:
    """Model, id and finish reasons, as the GenAI conventions name them."""
    found: dict[str, Any] = {}
    if answers.output:
        _told_in(answers.output, found)
    reasons: list[str] = []
    for item in answers.items:
        reasons.append(item.finish_reason)
        for said in (item.metadata, item.info):
            if said and not _TOLD.isdisjoint(said):
                _told_in(said, found)
    if found and found.pop(_PROVIDER, "") != "openai":
        for attribute in _OPENAI:
            found.pop(attribute, None)
    if names.RESPONSE_ID not in found and (given := _message_id(answers.items)):
        found[names.RESPONSE_ID] = given
    if any(reasons):
        found[names.RESPONSE_FINISH_REASONS] = reasons
    return found


def _told_in(said: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Add to ``found`` what is not in it yet."""
    keys = _TOLD.intersection(said)
    for key in keys if len(keys) == 1 else sorted(keys, key=_PLACES.index):
        attribute = _ATTRIBUTES[key]
        if attribute not in found and said[key] is not None and (told := word(said[key])):
            found[attribute] = told


def output_messages_json(answers: Answers, *, capture_bytes: bool = False) -> str:
    """The answers as the convention's output messages; content.

    Args:
        answers: of one run.
        capture_bytes: whether files are kept with their bytes, base64-encoded.
    """
    return answers_json(answers.items, capture_bytes=capture_bytes)


def logprobs(answers: Answers) -> list[object]:
    """The log probabilities of each answer, or nothing; content, as they hold its tokens."""
    told: list[object] = []
    some = False
    for item in answers.items:
        said: object = item.info.get("logprobs") or item.metadata.get("logprobs")
        told.append(said)
        some = some or said is not None
    return told if some else []


def logprobs_json(told: object) -> str:
    """What :func:`logprobs` found as JSON; its tokens are no secrets, whatever they are called."""
    return plain_json(plain(told, hide=False))


def _answer(generation: Any) -> Answer:
    # pydantic keeps its fields there; asking for one that is not a field costs ten times as much
    fields: dict[str, Any] = generation.__dict__
    text = fields.get("text") or ""
    info = fields_of(fields.get("generation_info"))
    message: BaseMessage | None = fields.get("message")
    if message is None:
        return Answer(text, None, info, _NOTHING, _NOTHING, _finish_reason(info))
    told = message.__dict__
    metadata = fields_of(told.get("response_metadata"))
    usage = fields_of(told.get("usage_metadata"))
    reason = _finish_reason(info) or _finish_reason(metadata) or _status(metadata)
    return Answer(text, message, info, metadata, usage, reason)


def _finish_reason(said: Mapping[str, Any]) -> str:
    reason = said.get("finish_reason")
    if type(reason) is str and reason:
        return word(reason)
    if _ANY_REASON.isdisjoint(said):
        return ""
    for key in _FINISH_KEYS:
        reason = said.get(key)
        if reason is not None and (told := word(reason)):
            return told
    return ""


def _status(metadata: Mapping[str, Any]) -> str:
    """The finish reason of OpenAI's Responses API."""
    status = metadata.get("status")
    if not isinstance(status, str) or status not in _STATUSES:
        return ""
    details = fields_of(metadata.get("incomplete_details"))
    return word(details["reason"]) if details.get("reason") else _STATUSES[status]


def _message_id(items: Sequence[Answer]) -> str:
    for item in items:
        given: object = None if item.message is None else item.message.id
        if type(given) is str and given.startswith(_LANGCHAIN_IDS):
            continue
        if given is not None and not (told := word(given)).startswith(_LANGCHAIN_IDS):
            return told
    return ""
