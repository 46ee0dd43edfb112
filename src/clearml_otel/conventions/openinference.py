"""The table of OpenInference: Arize's instrumentations of LangChain, OpenAI, LlamaIndex and others.

Source: the specification ``semantic_conventions.md`` of github.com/Arize-ai/openinference, and
spans of openinference-instrumentation-langchain 0.1.80.
"""

from __future__ import annotations

from typing import Final

from clearml_otel import attributes as names
from clearml_otel.conventions.convention import Convention

OPENINFERENCE: Final = Convention(
    name="openinference",
    scopes=("openinference.",),
    marks=("openinference.span.kind",),
    kind=("openinference.span.kind",),
    kinds={
        "llm": "chat_model",
        "chain": "chain",
        "agent": "chain",
        "prompt": "chain",
        "guardrail": "chain",
        "evaluator": "chain",
        "unknown": "chain",
        "tool": "tool",
        "retriever": "retriever",
    },
    names={"tool": ("tool.name",)},
    inputs={"": ("input.value",)},
    outputs={"retriever": (), "": ("output.value",)},
    asked=("llm.prompts", "input.value"),
    asked_lists=("llm.input_messages", "llm.prompts"),
    answered=("output.value",),
    answered_lists=("llm.output_messages", "llm.choices"),
    fields={
        # a call that failed has no answer to name it
        names.REQUEST_MODEL: ("llm.model_name", ("llm.invocation_parameters", "model")),
        names.TOOL_DESCRIPTION: ("tool.description",),
        names.TOOL_CALL_ID: ("tool_call.id", "tool.id"),
    },
    tokens={
        names.USAGE_INPUT_TOKENS: ("llm.token_count.prompt",),
        names.USAGE_OUTPUT_TOKENS: ("llm.token_count.completion",),
        names.USAGE_TOTAL_TOKENS: ("llm.token_count.total",),
    },
    finish_reasons=("llm.finish_reason",),
    tags=("tag.tags",),
    metadata=("metadata",),
    sessions=("session.id",),
)
