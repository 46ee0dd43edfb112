"""The table of LangSmith's OpenTelemetry mode.

Source: spans of langsmith 0.15.1 with ``tracing_mode="otel"``. Its spans carry GenAI names too, but
call a prompt template a chat, so that its own names come first.
"""

from __future__ import annotations

from typing import Final

from clearml_otel import attributes as names
from clearml_otel.conventions.convention import Convention

LANGSMITH: Final = Convention(
    name="langsmith",
    scopes=("langsmith",),
    marks=("langsmith.span.kind",),
    kind=("langsmith.span.kind",),
    kinds={
        "llm": "chat_model",
        "chain": "chain",
        "prompt": "chain",
        "parser": "chain",
        "tool": "tool",
        "retriever": "retriever",
    },
    sees_langchain=True,
    # a run that is told in two batches has the status OK after the first one, and OTel keeps an OK
    exception_fails=True,
    inputs={
        "tool": (("gen_ai.prompt", "input"), "gen_ai.prompt"),
        "retriever": (("gen_ai.prompt", "query"), "gen_ai.prompt"),
        "chain": ("gen_ai.prompt",),
    },
    outputs={
        "tool": (("gen_ai.completion", "output"), "gen_ai.completion"),
        "retriever": (("gen_ai.completion", "documents"), "gen_ai.completion"),
        "chain": ("gen_ai.completion",),
    },
    asked=("gen_ai.prompt",),
    answered=("gen_ai.completion",),
    fields={
        names.REQUEST_MODEL: (
            "gen_ai.request.model",
            "langsmith.metadata.ls_model_name",
            "langsmith.metadata.model_name",
        ),
        names.TOOL_CALL_ID: ("gen_ai.tool.call.id",),
    },
    tokens={
        names.USAGE_INPUT_TOKENS: (
            "gen_ai.usage.input_tokens",
            ("gen_ai.completion", "llm_output", "token_usage", "prompt_tokens"),
        ),
        names.USAGE_OUTPUT_TOKENS: (
            "gen_ai.usage.output_tokens",
            ("gen_ai.completion", "llm_output", "token_usage", "completion_tokens"),
        ),
        names.USAGE_TOTAL_TOKENS: (
            "gen_ai.usage.total_tokens",
            ("gen_ai.completion", "llm_output", "token_usage", "total_tokens"),
        ),
    },
    tags=("langsmith.span.tags",),
    metadata_prefixes=("langsmith.metadata.",),
    sessions=(
        "session.id",
        "langsmith.metadata.session_id",
        "langsmith.metadata.conversation_id",
        "langsmith.metadata.thread_id",
    ),
)
