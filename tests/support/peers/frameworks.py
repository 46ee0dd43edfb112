"""Other agent frameworks than LangChain, really run, each with its own instrumentation."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import TracerProvider

from support.peers.scenarios import CHAT_MODEL, SESSION

QUESTION: Final = "Tell me the weather and people of Oslo"


def weather(city: str, days: int = 1) -> str:
    """Tell the weather of a city."""
    return f"{city}: sun and wind for {days} days"


def population(city: str) -> dict[str, Any]:
    """Tell how many people live in a city."""
    return {"city": city, "people": 544_000}


def pydantic_ai(provider: TracerProvider) -> None:
    """PydanticAI with the OpenTelemetry spans that it makes itself."""
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel

    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    agent = Agent(OpenAIChatModel(CHAT_MODEL), name="guide", tools=[weather, population])
    agent.run_sync(QUESTION)


def openai_agents_openinference(provider: TracerProvider) -> None:
    """The OpenAI Agents SDK under OpenInference."""
    from openinference.instrumentation import using_session
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
    with using_session(SESSION):
        _run_openai_agent()


def openai_agents_genai(provider: TracerProvider) -> None:
    """The OpenAI Agents SDK under OpenTelemetry's own instrumentations of it and its client."""
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    from opentelemetry.instrumentation.genai.openai_agents import OpenAIAgentsInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)
    _run_openai_agent()


def _run_openai_agent() -> None:
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool
    from openai import AsyncOpenAI

    agent = Agent(
        name="guide",
        model=OpenAIChatCompletionsModel(CHAT_MODEL, AsyncOpenAI()),
        tools=[function_tool(weather), function_tool(population)],
    )
    Runner.run_sync(agent, QUESTION)


FRAMEWORKS: Final[Mapping[str, Callable[[TracerProvider], None]]] = {
    "pydantic_ai": pydantic_ai,
    "openai_agents_openinference": openai_agents_openinference,
    "openai_agents_genai": openai_agents_genai,
}
