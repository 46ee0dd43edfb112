"""Runs to actions: each start, end, error and point of a run, before counting.

The names, counters and key order of each record are those of the page's printed records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from clearml_otel.conventions import Generation, Point, Run, Usage
from clearml_otel.records.columns import METRIC_NAMES, metric_column

Cell: TypeAlias = "str | int | float | None"
Fields: TypeAlias = "dict[str, Cell]"
Counts: TypeAlias = "Mapping[str, int]"

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
_INPUT_COLUMNS: Final[Mapping[str, str]] = {
    "llm": "prompts",
    "chain": "input",
    "retriever": "query",
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
_UNKNOWN: Final = Usage()


class Action(NamedTuple):
    """One callback, with where it stands in time.

    Args:
        run: the run it belongs to.
        phase: ``start``, ``point`` or ``end``.
        time_ns: nanoseconds since the epoch.
        seq: the process-wide number of the callback; None on foreign spans.
        point: what a callback without duration says.
        usage: of an end, the tokens of the whole ``generate`` call that the run is part of.
    """

    run: Run
    phase: str
    time_ns: int
    seq: int | None
    point: Point | None = None
    usage: Usage = _UNKNOWN

    @property
    def group(self) -> tuple[str, str] | None:
        """Actions of one ``generate`` call share it, and one step."""
        run = self.run
        if run.batch_size <= 1 or not run.batch_id or self.phase == "point":
            return None
        # a run that failed has no end in common with others
        return None if self.phase == "end" and run.failed else (run.batch_id, self.phase)

    @property
    def raises(self) -> tuple[str, ...]:
        """The counters that it raises by one, besides ``step``."""
        if self.point is not None:
            return _POINT_COUNTERS[self.point.kind]
        if self.phase == "start":
            return _STARTS[self.run.kind]
        return ("errors",) if self.run.failed else _ENDS[self.run.kind]

    def records(self, counts: Counts) -> list[Fields]:
        """Its records in the page's key order: of a model's end one a generation.

        Args:
            counts: the counters, raised.
        """
        run = self.run
        if self.point is not None:
            return [_point_record(self.point, counts)]
        if self.phase == "start":
            return [_start_record(run, counts)]
        if run.error_type is not None:
            return [_error_record(run, counts)]
        if run.kind == "llm":
            return [_generation_record(run, item, self.usage, counts) for item in run.generations]
        return [_end_record(run, counts)]


def actions_of(run: Run, call_usage: Usage) -> Iterator[Action]:
    """Every action of a run, in the run's own order.

    Args:
        run: the run.
        call_usage: the tokens of the whole ``generate`` call that the run is part of.
    """
    if run.has_start:
        yield start_action(run)
    for point in run.points:
        yield point_action(run, point)
    if run.has_end and run.span.end_time_ns is not None:
        yield end_action(run, call_usage)


def start_action(run: Run) -> Action:
    """The ``on_…_start`` of a run."""
    return Action(run, "start", run.span.start_time_ns, run.start_seq)


def point_action(run: Run, point: Point) -> Action:
    """The action of a callback without duration."""
    return Action(run, "point", point.time_ns, point.seq, point)


def end_action(run: Run, call_usage: Usage) -> Action:
    """The ``on_…_end`` or ``on_…_error`` of a run."""
    span = run.span
    ended = span.end_time_ns or span.start_time_ns
    return Action(run, "end", ended, run.end_seq, usage=call_usage)


def _start_record(run: Run, counts: Counts) -> Fields:
    action = f"on_{run.kind}_start"
    if run.kind == "tool":
        return {
            "action": action,
            "input_str": run.input,
            "name": run.name,
            "description": run.description,
            **counts,
        }
    record: Fields = {"action": action, "name": run.name, **counts}
    asked = run.prompts if run.kind == "llm" else run.input
    if asked is not None:
        record[_INPUT_COLUMNS[run.kind]] = asked
    return record


def _point_record(point: Point, counts: Counts) -> Fields:
    record: Fields = {"action": f"on_{point.kind}"}
    record.update({column: cell for column, cell in point.fields.items() if cell is not None})
    record.update(counts)
    return record


def _error_record(run: Run, counts: Counts) -> Fields:
    record: Fields = {
        "action": f"on_{run.kind}_error",
        "name": run.name,
        **counts,
        "error_type": run.error_type,
        "error_message": run.error_message,
    }
    return _with_streaming(record, run)


def _end_record(run: Run, counts: Counts) -> Fields:
    record: Fields = {
        "action": f"on_{run.kind}_end",
        _OUTPUT_COLUMNS[run.kind]: run.output,
        **counts,
    }
    if run.artifact is not None:
        record["artifact"] = run.artifact
    return record


def _generation_record(run: Run, generation: Generation, usage: Usage, counts: Counts) -> Fields:
    record: Fields = {
        "action": "on_llm_end",
        "token_usage_prompt_tokens": usage.input_tokens,
        "token_usage_completion_tokens": usage.output_tokens,
        "token_usage_total_tokens": usage.total_tokens,
        "model_name": run.model,
        **counts,
        "text": generation.text,
        "generation_info_finish_reason": generation.finish_reason,
        "generation_info_logprobs": generation.logprobs,
    }
    metrics = generation.readability
    if metrics.keys() <= METRIC_NAMES:
        record.update(metrics)
    else:
        record.update({metric_column(name): value for name, value in metrics.items()})
    if generation.tool_calls is not None:
        record["tool_calls"] = generation.tool_calls
    if generation.reasoning is not None:
        record["reasoning"] = generation.reasoning
    return _with_streaming(record, run)


def _with_streaming(record: Fields, run: Run) -> Fields:
    """The record with what there is to say of an answer that came in tokens."""
    if run.stream_tokens:
        record["stream_tokens"] = run.stream_tokens
        if run.time_to_first_chunk_s is not None:
            record["time_to_first_token_s"] = run.time_to_first_chunk_s
    return record
