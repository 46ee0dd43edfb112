"""Who accounts for the tokens of a model call: the context key of OpenTelemetry's GenAI utilities.

Instrumentations of providers (OpenAI, Anthropic ...) that are built on
``opentelemetry-util-genai`` look for an ``InferenceData`` in the context. Where there is one, the
call is part of a model call that is recorded already: they make no span, measure nothing, and
tell that object what they know. So:

* inside our model runs we put one there, and the provider's instrumentation stays quiet;
* a run of ours that starts inside somebody else's inference is recorded all the same, but its
  usage goes to the owner of that inference and, on our span, under ``langchain.usage.*``:
  ``gen_ai.usage.*`` stands on one span of a call only.

Nothing is imported: a process in which nobody has imported the utilities has nobody to ask.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.context import Context

from clearml_otel import attributes as names

_MODULE: Final = "opentelemetry.util.genai.invocation"
_PUBLISHED: Final = {
    names.USAGE_INPUT_TOKENS: "usage_input_tokens",
    names.USAGE_OUTPUT_TOKENS: "usage_output_tokens",
    names.USAGE_CACHE_READ_TOKENS: "usage_cache_read_input_tokens",
    names.USAGE_CACHE_CREATION_TOKENS: "usage_cache_write_input_tokens",
    names.USAGE_REASONING_TOKENS: "usage_reasoning_output_tokens",
}


@dataclass(frozen=True, slots=True)
class _Utilities:
    key: str
    data: type
    ours: object


def entry() -> tuple[str, object] | None:
    """What our model runs put into the context: key and value; None where nobody reads it."""
    known = _utilities()
    return (known.key, known.ours) if known is not None else None


def usage_owner(current: Context) -> object | None:
    """The ``InferenceData`` of somebody else's inference that the current context is inside of."""
    known = _utilities()
    if known is None:
        return None
    data = current.get(known.key)
    return data if isinstance(data, known.data) and data is not known.ours else None


def hand_over(said: Mapping[str, Any], owner: object) -> dict[str, Any]:
    """Tell the owner of an inference our run's usage, and keep a copy for the records.

    Args:
        said: the attributes of the run's end.
        owner: its :func:`usage_owner`.

    Returns:
        The attributes with ``langchain.usage.*`` in place of ``gen_ai.usage.*``.
    """
    for key, field in _PUBLISHED.items():
        if key in said and hasattr(owner, field):
            setattr(owner, field, said[key])
    return {_own_name(key): value for key, value in said.items()}


def _own_name(key: str) -> str:
    name = key.removeprefix(names.USAGE_PREFIX)
    return key if name == key else names.OWN_USAGE_PREFIX + name


def _utilities() -> _Utilities | None:
    global _module, _known
    if (module := sys.modules.get(_MODULE)) is not _module:
        _module, _known = module, _read(module)
    return _known


def _read(module: object) -> _Utilities | None:
    """None for a version of the utilities that knows no nested inferences, or others."""
    key = getattr(module, "CLIENT_INFERENCE_CONTEXT_KEY", None)
    data = getattr(module, "InferenceData", None)
    if not isinstance(key, str) or not isinstance(data, type):
        return None
    try:
        # told by every call of the process, so it keeps nothing; uploads go on as without us
        ours = type("RunInference", (data,), {"merge": _keep_nothing})()
        ours.upload_completion = True
    except (AttributeError, TypeError):
        return None
    return _Utilities(key, data, ours)


def _keep_nothing(self: object, *args: object, **kwargs: object) -> None:
    """In place of ``InferenceData.merge``: our spans have their own source of all this."""


_module: object = None
_known: _Utilities | None = None
