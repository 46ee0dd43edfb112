"""The table of Langfuse: its LangChain handler, its decorator and its wrappers.

Source: spans of langfuse 5.0.4; a completion's usage keeps its provider's names.
"""

from __future__ import annotations

from typing import Final

from clearml_otel import attributes as names
from clearml_otel.conventions.convention import Convention

_USAGE: Final = "langfuse.observation.usage_details"
_METADATA: Final = "langfuse.observation.metadata."
LANGFUSE: Final = Convention(
    name="langfuse",
    scopes=("langfuse",),
    # its processor writes others of its names on everybody's spans
    marks=("langfuse.observation.type",),
    kind=("langfuse.observation.type",),
    kinds={
        "generation": "chat_model",
        "span": "chain",
        "chain": "chain",
        "agent": "chain",
        "guardrail": "chain",
        "evaluator": "chain",
        "tool": "tool",
        "retriever": "retriever",
    },
    sees_langchain=True,
    inputs={"": ("langfuse.observation.input",)},
    outputs={"": ("langfuse.observation.output",)},
    asked=("langfuse.observation.input",),
    answered=("langfuse.observation.output",),
    fields={
        names.REQUEST_MODEL: ("langfuse.observation.model.name",),
        names.TOOL_CALL_ID: (f"{_METADATA}tool_call_id",),
    },
    tokens={
        names.USAGE_INPUT_TOKENS: (
            (_USAGE, "input"),
            (_USAGE, "prompt_tokens"),
            (_USAGE, "input_tokens"),
        ),
        names.USAGE_OUTPUT_TOKENS: (
            (_USAGE, "output"),
            (_USAGE, "completion_tokens"),
            (_USAGE, "output_tokens"),
        ),
        names.USAGE_TOTAL_TOKENS: ((_USAGE, "total"), (_USAGE, "total_tokens")),
    },
    tags=(f"{_METADATA}tags", "langfuse.trace.tags"),
    metadata_prefixes=(_METADATA,),
    sessions=("session.id", "langfuse.session.id", f"{_METADATA}langfuse_session_id"),
    failed={"langfuse.observation.level": "ERROR"},
    error_messages=("langfuse.observation.status_message",),
)
