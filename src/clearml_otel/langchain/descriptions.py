"""Names, titles and small descriptions of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from langchain_core.agents import AgentAction, AgentFinish

from clearml_otel import attributes as names
from clearml_otel.langchain.inputs import chain_output
from clearml_otel.langchain.values import clean_text, plain, safe_str, to_json, to_text
from clearml_otel.secret_texts import HIDDEN, is_secret_key

_MOST_METADATA: Final = 40  # a span keeps 128 attributes by default; the rest goes as one JSON
_LONGEST_KEY: Final = 500  # characters
_LONGEST_NAME: Final = 500
_LONGEST_METADATA: Final = 4_000
# by the model's attributes and by the packages of the ClearML task; or always the same
_SAID_ELSEWHERE: Final = frozenset(
    {
        "ls_provider",
        "ls_model_name",
        "ls_model_type",
        "ls_temperature",
        "ls_max_tokens",
        "ls_stop",
        "ls_integration",
        "lc_versions",
    }
)
_MOST_ERRORS: Final = 20
_CONTROL_FLOW: Final = frozenset({"GraphBubbleUp", "GraphInterrupt", "NodeInterrupt"})


def run_name(serialized: Mapping[str, Any] | None, kwargs: Mapping[str, Any]) -> str:
    """The run's name: the one given to it, else the class that runs.

    Args:
        serialized: the callback's first argument; None for most of today's runs.
        kwargs: the callback's keywords, whose ``name`` is the given or default name.
    """
    name: object = kwargs.get("name") or (serialized.get("name") if serialized else None)
    if type(name) is str and len(name) < _LONGEST_NAME and name.isidentifier() and name.isascii():
        return name
    if not name and serialized:
        identity = serialized.get("id")
        name = cast("list[Any]", identity)[-1] if isinstance(identity, list) and identity else None
    return clean_text(str(name or "unknown"), _LONGEST_NAME)


def uuid_text(given: UUID) -> str:
    """A run's id as ``str`` has it, in less than half of the time."""
    digits = f"{given.int:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def span_title(name: str, attributes: Mapping[str, Any]) -> str:
    """The span's name: the conventions' where there is an operation, else the run's."""
    operation = attributes.get(names.OPERATION_NAME)
    if operation is None:
        return name
    if operation == "invoke_agent":
        # an agent without a name runs under its framework's, which says nothing
        agent = attributes.get(names.AGENT_NAME)
        return f"{operation} {agent}" if agent else operation
    if operation in {"chat", "text_completion"}:
        name = attributes.get(names.REQUEST_MODEL) or name
    return f"{operation} {name}"


def metadata_attributes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The callback's metadata as attributes; what finds no room goes together as JSON.

    What LangChain says there of the model stands in the conventions' attributes already.
    """
    found: dict[str, Any] = {}
    if _SAID_ELSEWHERE.issuperset(metadata):
        return found
    rest: dict[str, object] = {}
    for given, value in metadata.items():
        if given in _SAID_ELSEWHERE or value is None:
            continue
        key = clean_text(given if type(given) is str else str(given), _LONGEST_KEY)
        if is_secret_key(key):
            value = HIDDEN
        if len(found) >= _MOST_METADATA:
            rest[key] = plain(value)
        elif isinstance(value, (bool, int, float)):
            found[names.METADATA_PREFIX + key] = plain(value)
        else:
            found[names.METADATA_PREFIX + key] = clean_text(to_text(value), _LONGEST_METADATA)
    if rest:
        found[names.METADATA_REST] = to_json(rest)
    return found


def is_control_flow(error: BaseException) -> bool:
    """Whether LangGraph raised it to pause or to jump, which is no error."""
    return any(base.__name__ in _CONTROL_FLOW for base in type(error).__mro__)


def interrupt_values(pause: BaseException) -> list[object]:
    """What a LangGraph node asks of the person who is to resume it."""
    interrupts = pause.args[0] if pause.args else ()
    if not isinstance(interrupts, (list, tuple)):
        return []
    return [
        getattr(item, "value", item)
        for item in cast("Sequence[object]", interrupts)
        if type(item).__name__ == "Interrupt"
    ]


def resume_value(given: object) -> object:
    """What a paused LangGraph graph is told to go on with; None where it is not being resumed."""
    return getattr(given, "resume", None) if type(given).__name__ == "Command" else None


def error_type(error: BaseException) -> str:
    """The canonical name of an error's class, as OpenTelemetry's ``exception.type`` has it.

    Python's own are named as they are; any other is led by its module.
    """
    kind = type(error)
    bare = kind.__module__ == "builtins"
    return kind.__qualname__ if bare else f"{kind.__module__}.{kind.__qualname__}"


def error_message(error: BaseException) -> str:
    """What an error says; of a group, what each error in it says too."""
    message = safe_str(error)
    within: object = getattr(error, "exceptions", None)
    if not isinstance(within, tuple):
        return message
    inner = cast("tuple[object, ...]", within)[:_MOST_ERRORS]
    each = (f"{type(item).__qualname__}: {safe_str(item)}" for item in inner)
    return clean_text(f"{message}: {'; '.join(each)}")


def agent_action_fields(action: AgentAction) -> dict[str, object]:
    """What an agent decided to do, as the fields of a span event."""
    return {
        names.EVENT_TOOL: action.tool,
        names.EVENT_TOOL_INPUT: action.tool_input,
        names.EVENT_LOG: action.log,
    }


def agent_finish_fields(finish: AgentFinish) -> dict[str, object]:
    """An agent's final answer, as the fields of a span event."""
    return {names.EVENT_OUTPUT: chain_output(finish), names.EVENT_LOG: finish.log}
