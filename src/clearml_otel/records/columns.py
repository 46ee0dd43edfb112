"""The columns of the three tables, in the order of the page that they come from.

The page is LangChain's "ClearML Integration" page of March 2023: its action table has the first
47 columns here and its session table the 24 of :data:`SESSION`.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from clearml_otel.readability import METRICS

COUNTERS: Final = (
    "step",
    "starts",
    "ends",
    "errors",
    "text_ctr",
    "chain_starts",
    "chain_ends",
    "llm_starts",
    "llm_ends",
    "llm_streams",
    "tool_starts",
    "tool_ends",
    "agent_ends",
)
ACTION: Final = (
    "action",
    "name",
    *COUNTERS,
    "prompts",
    "token_usage_prompt_tokens",
    "token_usage_completion_tokens",
    "token_usage_total_tokens",
    "model_name",
    "text",
    "generation_info_finish_reason",
    "generation_info_logprobs",
    *METRICS,
    "input",
    "tool",
    "tool_input",
    "log",
    "input_str",
    "description",
    "output",
    "outputs",
    # actions that the page never saw
    "error_type",
    "error_message",
    "query",
    "documents",
    "attempt",
    "data",
    "tool_calls",
    "reasoning",
    "artifact",
    "stream_tokens",
    "time_to_first_token_s",
)
SESSION: Final = (
    "prompt_step",
    "prompts",
    "name",
    "output_step",
    "output",
    "token_usage_total_tokens",
    "token_usage_prompt_tokens",
    "token_usage_completion_tokens",
    *METRICS,
)
RUNS: Final = (
    "start_step",
    "end_step",
    "run_id",
    "parent_run_id",
    "trace_id",
    "span_id",
    "type",
    "name",
    "model",
    "start_time",
    "duration_s",
    "time_to_first_chunk_s",
    "stream_tokens",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "finish_reason",
    "status",
    "error_type",
    "error_message",
    "tags",
    "metadata",
    "readability",
    "lost",
)
METRIC_NAMES: Final = frozenset(METRICS)
_RANK: Final = {column: rank for rank, column in enumerate(ACTION)}


def metric_column(name: str) -> str:
    """The column of a metric; one of the user's own that is called as another column is told so."""
    return f"readability.{name}" if name in _RANK and name not in METRIC_NAMES else name


def in_page_order(found: Set[str]) -> tuple[str, ...]:
    """The action columns that occur, in the page's order; unknown ones last, by name."""
    return tuple(sorted(found, key=lambda column: (_RANK.get(column, len(_RANK)), column)))
