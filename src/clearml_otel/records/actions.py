"""Runs to actions: each start, end, error and point of a run, before counting.

The names, counters and key order of each record are those of the page's printed records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from clearml_otel.conventions import Generation, Point, Run, Usage
from clearml_otel.records.columns import metric_column

Cell: TypeAlias = "str | int | float | None"
Fields: TypeAlias = Mapping[str, Cell]

_POINT_COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text_ctr",),
    # the page counts an agent's action as the start of a tool, and then the tool's start again
    "agent_action": ("starts", "tool_starts"),
    "agent_finish": ("ends", "agent_ends"),
    "retry": (),
    "custom_event": (),
    "interrupt": (),
    "resume": (),
}
_OUTPUT_COLUMNS: Final[Mapping[str, str]] = {
    "chain": "outputs",
    "tool": "output",
    "retriever": "documents",
}
_STARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "llm": ("starts", "llm_starts"),
    "chain": ("starts", "chain_starts"),
    "tool": ("starts", "tool_starts"),
    "retriever": ("starts",),
}
_ENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "llm": ("ends", "llm_ends"),
    "chain": ("ends", "chain_ends"),
    "tool": ("ends", "tool_ends"),
    "retriever": ("ends",),
}


class Action(NamedTuple):
    """One callback, with where it stands in time and what its record will say.

    Args:
        name: such as ``on_llm_start``.
        run: the run it belongs to.
        phase: ``start``, ``point`` or ``end``.
        time_ns: nanoseconds since the epoch.
        process: whose sequence number it is.
        seq: the process-wide number of the callback; None on foreign spans.
        raises: the counters that it raises by one, besides ``step``.
        rows: the record's fields before and after the counters; one pair a generation.
        group: actions of one ``generate`` call share it, and one step.
        streamed: how many streamed tokens it adds to ``llm_streams``.
    """

    name: str
    run: Run
    phase: str
    time_ns: int
    process: str
    seq: int | None
    raises: tuple[str, ...]
    rows: tuple[tuple[Fields, Fields], ...]
    group: tuple[str, str] | None = None
    streamed: int = 0


def actions_of(run: Run, call_usage: Usage) -> list[Action]:
    """Every action of a run, in the run's own order.

    Args:
        run: the run.
        call_usage: the tokens of the whole ``generate`` call that the run is part of.
    """
    actions = [start_action(run)] if run.has_start else []
    actions.extend(point_action(run, point) for point in run.points)
    if run.has_end and run.span.end_time_ns is not None:
        actions.append(end_action(run, call_usage))
    return actions


def start_action(run: Run) -> Action:
    """The ``on_…_start`` of a run."""
    head: dict[str, Cell] = {"name": run.name}
    tail: Fields = {}
    if run.kind == "llm":
        tail = _if_told("prompts", run.prompts)
    elif run.kind == "chain":
        tail = _if_told("input", run.input)
    elif run.kind == "retriever":
        tail = _if_told("query", run.input)
    else:
        head = {"input_str": run.input, "name": run.name, "description": run.description}
    return Action(
        name=f"on_{run.kind}_start",
        run=run,
        phase="start",
        time_ns=run.span.start_time_ns,
        process=run.process,
        seq=run.start_seq,
        raises=_STARTS[run.kind],
        rows=((head, tail),),
        group=_group(run, "start"),
    )


def point_action(run: Run, point: Point) -> Action:
    """The record of a callback without duration."""
    return Action(
        name=f"on_{point.kind}",
        run=run,
        phase="point",
        time_ns=point.time_ns,
        process=run.process,
        seq=point.seq,
        raises=_POINT_COUNTERS[point.kind],
        rows=((_present(point.fields), {}),),
    )


def end_action(run: Run, call_usage: Usage) -> Action:
    """The ``on_…_end`` or ``on_…_error`` of a run."""
    if run.failed:
        error = {"error_type": run.error_type, "error_message": run.error_message}
        tail: Fields = {**error, **_streaming(run)}
        rows: tuple[tuple[Fields, Fields], ...] = (({"name": run.name}, tail),)
    elif run.kind == "llm":
        rows = tuple([_generation_row(run, item, call_usage) for item in run.generations])
    else:
        output: Fields = {_OUTPUT_COLUMNS[run.kind]: run.output}
        rows = ((output, _if_told("artifact", run.artifact)),)
    return Action(
        name=f"on_{run.kind}_error" if run.failed else f"on_{run.kind}_end",
        run=run,
        phase="end",
        time_ns=run.span.end_time_ns or run.span.start_time_ns,
        process=run.process,
        seq=run.end_seq,
        raises=("errors",) if run.failed else _ENDS[run.kind],
        rows=rows,
        group=None if run.failed else _group(run, "end"),
        streamed=run.stream_tokens,
    )


def _generation_row(run: Run, generation: Generation, usage: Usage) -> tuple[Fields, Fields]:
    head: dict[str, Cell] = {
        "token_usage_prompt_tokens": usage.input_tokens,
        "token_usage_completion_tokens": usage.output_tokens,
        "token_usage_total_tokens": usage.total_tokens,
        "model_name": run.model,
    }
    tail: dict[str, Cell] = {
        "text": generation.text,
        "generation_info_finish_reason": generation.finish_reason,
        "generation_info_logprobs": generation.logprobs,
        **{metric_column(name): value for name, value in generation.readability.items()},
        **_if_told("tool_calls", generation.tool_calls),
        **_if_told("reasoning", generation.reasoning),
        **_streaming(run),
    }
    return head, tail


def _streaming(run: Run) -> Fields:
    """What there is to say of an answer that came in tokens."""
    if not run.stream_tokens:
        return {}
    first = run.time_to_first_chunk_s
    return {"stream_tokens": run.stream_tokens, **_if_told("time_to_first_token_s", first)}


def _group(run: Run, phase: str) -> tuple[str, str] | None:
    return (run.batch_id, phase) if run.batch_id and run.batch_size > 1 else None


def _if_told(column: str, cell: Cell) -> Fields:
    return {} if cell is None else {column: cell}


def _present(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if value is not None}
