"""The table of MLflow Tracing: its LangChain autologging, its decorator and its other integrations.

Source: spans of mlflow 3.17.2; every value is JSON.
"""

from __future__ import annotations

from typing import Final

from clearml_otel import attributes as names
from clearml_otel.conventions.convention import Convention

_USAGE: Final = "mlflow.chat.tokenUsage"
MLFLOW: Final = Convention(
    name="mlflow",
    scopes=("mlflow.",),
    marks=("mlflow.spanType",),
    kind=("mlflow.spanType",),
    kinds={
        "llm": "llm",
        "chat_model": "chat_model",
        "chain": "chain",
        "agent": "chain",
        "parser": "chain",
        "workflow": "chain",
        "task": "chain",
        "unknown": "chain",
        "tool": "tool",
        "retriever": "retriever",
    },
    sees_langchain=True,
    encoded=True,
    inputs={"": ("mlflow.spanInputs",)},
    outputs={"": ("mlflow.spanOutputs",)},
    asked=("mlflow.spanInputs",),
    answered=("mlflow.spanOutputs",),
    fields={
        names.REQUEST_MODEL: ("mlflow.llm.model",),
        names.TOOL_CALL_ID: ("tool_call_id",),
    },
    tokens={
        names.USAGE_INPUT_TOKENS: ((_USAGE, "input_tokens"),),
        names.USAGE_OUTPUT_TOKENS: ((_USAGE, "output_tokens"),),
        names.USAGE_TOTAL_TOKENS: ((_USAGE, "total_tokens"),),
    },
    metadata=("metadata",),
    sessions=(
        "session.id",
        "mlflow.trace.session",
        ("metadata", "session_id"),
        ("metadata", "conversation_id"),
        ("metadata", "thread_id"),
    ),
    events={
        "agent_action": (
            names.EVENT_AGENT_ACTION,
            {
                names.EVENT_TOOL: ("tool",),
                names.EVENT_TOOL_INPUT: ("tool_input",),
                names.EVENT_LOG: ("log",),
            },
        ),
        "agent_finish": (
            names.EVENT_AGENT_FINISH,
            {
                names.EVENT_OUTPUT: (("return_values", "output"), "return_values"),
                names.EVENT_LOG: ("log",),
            },
        ),
        "text": (names.EVENT_TEXT, {names.EVENT_TEXT_VALUE: ("text",)}),
    },
)
