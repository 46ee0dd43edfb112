"""What a span says about the run that it stands for, whichever instrumentation made it.

The classes are named tuples: a frozen dataclass takes two to four times as long to make, and
every span needs several.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from clearml_otel.spans import SpanRecord

RunKind: TypeAlias = Literal["llm", "chain", "tool", "retriever"]
PointKind: TypeAlias = Literal[
    "text", "agent_action", "agent_finish", "retry", "custom_event", "interrupt", "resume"
]
Metric: TypeAlias = "float | int | str"
NO_METRICS: Final[Mapping[str, Metric]] = MappingProxyType({})


class Usage(NamedTuple):
    """Token counts of one call; None where the model did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class Generation(NamedTuple):
    """One answer of a model.

    ``tool_calls`` is a JSON array of the tools that it asks for, each with ``name``, ``arguments``
    and ``id``, and with an ``error`` where the arguments could not be read.
    """

    text: str | None = None
    finish_reason: str | None = None
    logprobs: str | None = None
    readability: Mapping[str, Metric] = NO_METRICS
    tool_calls: str | None = None
    reasoning: str | None = None


class Point(NamedTuple):
    """A callback with no duration, such as an agent's action."""

    kind: PointKind
    time_ns: int
    seq: int | None
    fields: Mapping[str, str | None]


class Run(NamedTuple):
    """One LangChain run (or a like operation of another framework) as its span tells it.

    Times are nanoseconds since the epoch. ``process`` and the sequence numbers order callbacks
    exactly within a process; they are empty and None on spans of other instrumentations.
    ``readability`` names the engine that made the generations' metrics, and its version;
    ``artifact`` is JSON of what a tool kept from the model; ``truncated`` names the attributes
    whose values were cut to a size limit.
    """

    span: SpanRecord
    kind: RunKind
    name: str | None
    run_id: str
    parent_run_id: str | None
    process: str = ""
    start_seq: int | None = None
    end_seq: int | None = None
    has_start: bool = True
    has_end: bool = True
    batch_id: str | None = None
    batch_index: int = 0
    batch_size: int = 1
    prompts: str | None = None
    generations: tuple[Generation, ...] = ()
    usage: Usage = Usage()
    model: str | None = None
    input: str | None = None
    output: str | None = None
    description: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    points: tuple[Point, ...] = ()
    stream_tokens: int = 0
    time_to_first_chunk_s: float | None = None
    interrupted: bool = False
    tags: tuple[str, ...] = ()
    metadata: str | None = None
    readability: str | None = None
    artifact: str | None = None
    truncated: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the run ended with an error."""
        return self.error_type is not None
