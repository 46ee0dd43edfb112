"""The table of Traceloop's OpenLLMetry: GenAI names, with its own for chains, tasks and tools.

Source: spans of opentelemetry-instrumentation-langchain 0.62.4, and ``semantic_conventions_ai`` of
github.com/traceloop/openllmetry for the older names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clearml_otel.conventions.convention import Convention
from clearml_otel.conventions.genai import GENAI, OPERATIONS

_INPUT: Final = "traceloop.entity.input"
_OUTPUT: Final = "traceloop.entity.output"
TRACELOOP: Final[Convention] = replace(
    GENAI,
    name="traceloop",
    # of its other packages, those with GenAI names only are read by the GenAI table's marks
    scopes=("opentelemetry.instrumentation.langchain", "traceloop"),
    marks=("traceloop.span.kind", "traceloop.entity.name"),
    kind=("gen_ai.operation.name", "traceloop.span.kind", "llm.request.type"),
    kinds={
        **OPERATIONS,
        "execute_task": "chain",
        "vector_db_retrieve": "retriever",
        "workflow": "chain",
        "task": "chain",
        "agent": "chain",
        "tool": "tool",
    },
    names={"": ("traceloop.entity.name", "gen_ai.tool.name", "gen_ai.agent.name")},
    name_ends=(".chat", ".completion", ".workflow", ".task", ".tool", ".agent"),
    inputs={
        "tool": ((_INPUT, "input_str"), (_INPUT, "inputs"), "gen_ai.tool.call.arguments", _INPUT),
        "retriever": ((_INPUT, "query"), _INPUT),
        "chain": ((_INPUT, "inputs"), _INPUT),
    },
    outputs={
        "tool": ((_OUTPUT, "output"), "gen_ai.tool.call.result", _OUTPUT),
        "retriever": ((_OUTPUT, "documents"), _OUTPUT),
        "chain": ((_OUTPUT, "outputs"), _OUTPUT),
    },
    tags=((_INPUT, "tags"),),
    metadata_prefixes=("traceloop.association.properties.",),
    sessions=(
        "session.id",
        "gen_ai.conversation.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.conversation_id",
        "traceloop.association.properties.thread_id",
    ),
)
