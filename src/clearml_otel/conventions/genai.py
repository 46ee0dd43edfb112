"""The table of OpenTelemetry's GenAI semantic conventions, old names included.

Written by OpenTelemetry's own instrumentations (LangChain, OpenAI, OpenAI Agents, …), PydanticAI,
Logfire and many others. Source: github.com/open-telemetry/semantic-conventions-genai, and spans of
opentelemetry-instrumentation-genai-langchain 1.3b0, -genai-openai 1.3b0, PydanticAI 2.68, Logfire
5.4, Strands 1.62, azure-ai-inference 1.0.0b9 and anthropic 2.14; and the documentation of Google's
ADK (``gcp.vertex.agent.*``) and Vercel's AI SDK (``ai.*``).
"""

from __future__ import annotations

from typing import Final

from clearml_otel import attributes as names
from clearml_otel.conventions.convention import Convention, RunType

OPERATIONS: Final[dict[str, RunType]] = {
    "chat": "chat_model",
    "generate_content": "chat_model",
    "responses": "chat_model",
    "text_completion": "llm",
    "completion": "llm",
    "execute_tool": "tool",
    "invoke_agent": "chain",
    "invoke_workflow": "chain",
    "retrieval": "retriever",
    # Semantic Kernel's and LiteLLM's names of the same
    "chat.completions": "chat_model",
    "text_completions": "llm",
    "acompletion": "chat_model",
    "atext_completion": "llm",
}
GENAI: Final = Convention(
    name="genai",
    scopes=("opentelemetry.instrumentation.genai.", "pydantic-ai", "logfire"),
    marks=("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.system"),
    kind=("gen_ai.operation.name", "llm.request.type"),
    kinds=OPERATIONS,
    llm_marks=("gen_ai.request.model", "gen_ai.response.model"),
    names={
        "tool": ("gen_ai.tool.name",),
        "chain": ("gen_ai.agent.name", "gen_ai.workflow.name"),
        "retriever": ("gen_ai.data_source.id",),
        "": ("logfire.msg",),
    },
    inputs={
        "tool": (
            "gen_ai.tool.call.arguments",
            "tool_arguments",
            "gcp.vertex.agent.tool_call_args",
            "input",
        ),
        "retriever": ("gen_ai.retrieval.query.text",),
        "chain": ("gen_ai.input.messages", "pydantic_ai.all_messages"),
    },
    outputs={
        "tool": (
            "gen_ai.tool.call.result",
            "tool_response",
            "gcp.vertex.agent.tool_response",
            "output",
        ),
        "retriever": ("gen_ai.retrieval.documents",),
        "chain": ("gen_ai.output.messages", "final_result"),
    },
    asked=(
        "gen_ai.input.messages",
        "gen_ai.prompt",
        "request_data",
        "gcp.vertex.agent.llm_request",
        "ai.prompt.messages",
    ),
    asked_lists=("gen_ai.prompt",),
    asked_before=("gen_ai.system_instructions",),
    answered=(
        "gen_ai.output.messages",
        "gen_ai.completion",
        "response_data",
        ("gcp.vertex.agent.llm_response", "content"),
        "ai.response.text",
    ),
    answered_lists=("gen_ai.completion",),
    fields={
        names.REQUEST_MODEL: ("gen_ai.request.model",),
        names.RESPONSE_MODEL: ("gen_ai.response.model",),
        names.RESPONSE_TIME_TO_FIRST_CHUNK: ("gen_ai.response.time_to_first_chunk",),
        names.TOOL_DESCRIPTION: ("gen_ai.tool.description",),
        names.TOOL_CALL_ID: ("gen_ai.tool.call.id",),
    },
    tokens={
        names.USAGE_INPUT_TOKENS: ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        names.USAGE_OUTPUT_TOKENS: (
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
        ),
        names.USAGE_TOTAL_TOKENS: ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
    },
    finish_reasons=("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
    sessions=("session.id", "gen_ai.conversation.id"),
    error_types=("error.type",),
    content_events=(
        "gen_ai.client.inference.operation.details",
        "gen_ai.content.prompt",
        "gen_ai.content.completion",
    ),
    message_events={
        "gen_ai.system.message": "system",
        "gen_ai.user.message": "user",
        "gen_ai.assistant.message": "assistant",
        "gen_ai.tool.message": "tool",
    },
    answer_events=("gen_ai.choice",),
    event_lists=("events",),  # PydanticAI before 1.0, and Logfire
    # Azure AI Inference and Semantic Kernel; an answer in any of them
    event_bodies=("gen_ai.event.content", "message"),
)
