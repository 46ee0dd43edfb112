"""OpenAI's wire format: requests in, completions and their streamed chunks out.

Pure functions on JSON values, no sockets.  Source: OpenAI's API reference for
``POST /v1/completions`` and ``POST /v1/chat/completions``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

MAX_CHOICES = 128
"""OpenAI's own limit of ``n``."""


class WireError(Exception):
    """What the server answers with an error; scripted answers may raise it too.

    Args:
        message: what is wrong and what to do.
        status: the HTTP status, such as 400, 404, 429 or 500.
        param: the request field to blame, if there is one.
        code: OpenAI's error code, such as ``"rate_limit_exceeded"``.
    """

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """The error as OpenAI sends it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the scripted chat model calls.

    Args:
        name: the tool's name.
        arguments: its arguments, a JSON object as text.
    """

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the scripted model says to one request.

    Args:
        texts: one text a prompt, or one a choice (prompts x ``n``, prompt by prompt).
        usage: ``prompt_tokens``, ``completion_tokens`` and, where it is not their sum,
            ``total_tokens`` of the whole request; words are counted where it is None.
        model: the model's name as the server reports it; None repeats the one asked for.
        tool_calls: what a chat answer calls.
    """

    texts: Sequence[str]
    usage: Mapping[str, int] | None = None
    model: str | None = None
    tool_calls: Sequence[ToolCall] = ()


Answer = Callable[[list[str]], Reply]
"""The script: the prompts of one request to what is said.  A chat is one prompt, its messages
as ``role: content`` lines."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, validated."""

    model: str
    prompts: list[str]
    chat: bool
    n: int = 1
    stop: list[str] = field(default_factory=list[str])
    stream: bool = False
    include_usage: bool = False


def parse_request(path: str, body: bytes) -> Request:
    """Read the body of a request to ``/v1/completions`` or ``/v1/chat/completions``.

    Args:
        path: the request path, with or without the ``/v1`` prefix.
        body: the JSON body.

    Raises:
        WireError: 404 for another path, 400 for a body that OpenAI would refuse.
    """
    endpoint = path.split("?", 1)[0].removeprefix("/v1")
    if endpoint not in ("/completions", "/chat/completions"):
        raise WireError(
            f"Unknown request URL: POST {path}. This server speaks POST /v1/completions and "
            "POST /v1/chat/completions.",
            status=404,
            code="unknown_url",
        )
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError("We could not parse the JSON body of your request.") from error
    if not isinstance(parsed, dict):
        raise WireError("The JSON body of your request must be an object.")
    fields = cast("dict[str, Any]", parsed)
    chat = endpoint == "/chat/completions"
    return Request(
        model=_model(fields.get("model")),
        prompts=[_chat_prompt(fields.get("messages"))] if chat else _prompts(fields.get("prompt")),
        chat=chat,
        n=_choices(fields.get("n")),
        stop=_stop(fields.get("stop")),
        stream=fields.get("stream") is True,
        include_usage=_include_usage(fields.get("stream_options")),
    )


def _model(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise WireError("you must provide a model parameter", param="model")
    return value


def _prompts(value: object) -> list[str]:
    prompts = [value] if isinstance(value, str) else value
    if not isinstance(prompts, list) or not prompts:
        raise WireError("'prompt' must be a string or a list of strings.", param="prompt")
    texts = [text for text in cast("list[object]", prompts) if isinstance(text, str)]
    if len(texts) != len(cast("list[object]", prompts)):
        raise WireError("Token prompts are not supported: send text.", param="prompt")
    return texts


def _chat_prompt(value: object) -> str:
    if not isinstance(value, list) or not value:
        raise WireError("'messages' must be a list that is not empty.", param="messages")
    lines: list[str] = []
    for message in cast("list[object]", value):
        if not isinstance(message, dict):
            raise WireError("Each of 'messages' must be an object.", param="messages")
        fields = cast("dict[str, Any]", message)
        if not isinstance(fields.get("role"), str):
            raise WireError("Each of 'messages' must have a 'role'.", param="messages")
        lines.append(f"{fields['role']}: {_content(fields)}")
    return "\n".join(lines)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = cast("list[object]", content) if isinstance(content, list) else [content]
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            texts.append(str(cast("dict[str, Any]", part).get("text", "")))
    texts.extend(json.dumps(call) for call in message.get("tool_calls") or ())
    return "".join(texts)


def _choices(value: object) -> int:
    n = 1 if value is None else value
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MAX_CHOICES:
        raise WireError(f"'n' must be an integer from 1 to {MAX_CHOICES}.", param="n")
    return n


def _stop(value: object) -> list[str]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list):
        raise WireError("'stop' must be a string or a list of strings.", param="stop")
    return [stop for stop in cast("list[object]", stops) if isinstance(stop, str) and stop]


def _include_usage(value: object) -> bool:
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("include_usage") is True


@dataclass(frozen=True, slots=True)
class Completion:
    """One answered request: the texts choice by choice, and what describes them."""

    request: Request
    identifier: str
    created: int
    model: str
    texts: list[str]
    tool_calls: Sequence[ToolCall]
    usage: dict[str, int]

    def body(self) -> dict[str, Any]:
        """The whole answer, as to a request that does not stream."""
        choices: list[dict[str, Any]] = []
        for index, text in enumerate(self.texts):
            said = {"message": self._message(text)} if self.request.chat else {"text": text}
            choices.append(self._choice(index, said, self._finish_reason))
        kind = "chat.completion" if self.request.chat else "text_completion"
        return {**self._head(kind), "choices": choices, "usage": self.usage}

    def chunks(self) -> Iterator[dict[str, Any]]:
        """The same answer in pieces, as to a request that streams."""
        kind = "chat.completion.chunk" if self.request.chat else "text_completion"
        head = self._head(kind)
        if self.request.include_usage:
            head["usage"] = None
        for index, text in enumerate(self.texts):
            for said in self._pieces(text):
                yield {**head, "choices": [self._choice(index, said, None)]}
            said: dict[str, Any] = {"delta": {}} if self.request.chat else {"text": ""}
            yield {**head, "choices": [self._choice(index, said, self._finish_reason)]}
        if self.request.include_usage:
            yield {**head, "choices": [], "usage": self.usage}

    @property
    def _finish_reason(self) -> str:
        return "tool_calls" if self.request.chat and self.tool_calls else "stop"

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.identifier,
            "object": kind,
            "created": self.created,
            "model": self.model,
        }

    @staticmethod
    def _choice(index: int, said: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        return {**said, "index": index, "logprobs": None, "finish_reason": finish_reason}

    def _message(self, text: str) -> dict[str, Any]:
        content = None if self.tool_calls and not text else text
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if self.tool_calls:
            message["tool_calls"] = [self._call(i, call) for i, call in enumerate(self.tool_calls)]
        return message

    def _call(self, index: int, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": f"call_{self.identifier}_{index}", "type": "function", "function": function}

    def _pieces(self, text: str) -> Iterator[dict[str, Any]]:
        if not self.request.chat:
            for piece in tokens(text):
                yield {"text": piece}
            return
        yield {"delta": {"role": "assistant", "content": ""}}
        for piece in tokens(text):
            yield {"delta": {"content": piece}}
        for index, call in enumerate(self.tool_calls):
            begun = self._call(index, ToolCall(call.name, ""))
            yield {"delta": {"tool_calls": [{"index": index, **begun}]}}
            for piece in tokens(call.arguments):
                more = {"index": index, "function": {"arguments": piece}}
                yield {"delta": {"tool_calls": [more]}}


def complete(request: Request, reply: Reply, *, identifier: str, created: int) -> Completion:
    """Make the answer to ``request`` out of what the script said.

    Args:
        request: the request.
        reply: what the script said to its prompts.
        identifier: the answer's id.
        created: when it was made, in seconds since 1970.

    Raises:
        WireError: 500 if the script gave neither one text a prompt nor one a choice.
    """
    texts = list(reply.texts)
    wanted = len(request.prompts) * request.n
    if len(texts) == len(request.prompts):
        texts = [text for text in texts for _ in range(request.n)]
    if len(texts) != wanted:
        raise WireError(
            f"The script gave {len(texts)} texts to {len(request.prompts)} prompts with "
            f"n={request.n}: it must give one a prompt or one a choice.",
            status=500,
        )
    texts = [_cut(text, request.stop) for text in texts]
    return Completion(
        request=request,
        identifier=identifier,
        created=created,
        model=reply.model or request.model,
        texts=texts,
        tool_calls=tuple(reply.tool_calls),
        usage=_usage(reply.usage, request.prompts, texts),
    )


def tokens(text: str) -> list[str]:
    """Cut a text where a stream would: words with the blanks before them; joined, it is whole."""
    return re.findall(r"\s*\S+|\s+$", text)


def _cut(text: str, stops: Sequence[str]) -> str:
    ends = [end for end in (text.find(stop) for stop in stops) if end >= 0]
    return text[: min(ends)] if ends else text


def _usage(
    given: Mapping[str, int] | None, prompts: Sequence[str], texts: Sequence[str]
) -> dict[str, int]:
    if given is None:
        prompt_tokens = sum(len(tokens(prompt)) for prompt in prompts)
        completion_tokens = sum(len(tokens(text)) for text in texts)
    else:
        prompt_tokens = given.get("prompt_tokens", 0)
        completion_tokens = given.get("completion_tokens", 0)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": (given or {}).get("total_tokens", prompt_tokens + completion_tokens),
    }
