"""One LangChain application, switched on through one of the doors.

    python door_program.py DOOR [SETTING=VALUE]...

DOOR: ``environment`` (nothing of ours in the code: whoever starts it switches it on),
``configure``, ``processor``, ``exporter`` or ``handler``.  Needs LangChain and nothing of a
provider's; what it does is the same each time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from support.langchain_apps import ScriptedAgentModel, Shelf, calls


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: sun and wind"


def refuse(question: str) -> str:
    raise LookupError(f"no answer to {question}")


def application(callbacks: list[Any]) -> None:
    """A chain, streamed too, an agent, a batch of completions, a search, and a failure.

    No run names a session: for the handler a session is what lies between two flushes.
    """
    config: Any = {"callbacks": callbacks}
    of_ann: Any = {**config, "metadata": {"user": "ann"}, "tags": ["sea"]}
    prompt = ChatPromptTemplate.from_template("Answer in one sentence: {question}")
    chat = FakeListChatModel(responses=["The tide goes out, and nobody knows where to."])
    chain = prompt | chat | StrOutputParser()
    chain.invoke({"question": "Where is the sea?"}, of_ann)
    for _ in chain.stream({"question": "And now?"}, of_ann):
        pass
    script = [calls("weather", city="Oslo"), AIMessage("Oslo has sun and wind.")]
    agent = create_agent(ScriptedAgentModel(script=script), [weather], name="guide")
    agent.invoke({"messages": [("user", "Is it windy in Oslo?")]}, of_ann)
    # `generate` takes callbacks beside the prompts
    FakeListLLM(responses=["A joke.", "A poem."]).generate(["a", "b"], callbacks=callbacks)
    Shelf(documents=[Document("Ships arrive on Fridays.")]).invoke("ships", config)
    try:
        RunnableLambda(refuse).invoke("why", config)
    except LookupError:
        return
    raise AssertionError("it was not refused")


def through_configure(settings: dict[str, Any]) -> None:
    from clearml_otel import configure

    tracker = configure(**settings)
    application([])
    tracker.flush(finish=True)


def through_processor(settings: dict[str, Any]) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    from clearml_otel import ClearMLSpanProcessor, LangChainInstrumentor

    provider = TracerProvider()
    provider.add_span_processor(ClearMLSpanProcessor(**settings))
    LangChainInstrumentor().instrument(tracer_provider=provider)
    application([])
    provider.shutdown()


def through_exporter(settings: dict[str, Any]) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from clearml_otel import ClearMLSpanExporter, LangChainInstrumentor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(ClearMLSpanExporter(**settings)))
    LangChainInstrumentor().instrument(tracer_provider=provider)
    application([])
    provider.shutdown()


def through_handler(settings: dict[str, Any]) -> None:
    from clearml_otel import ClearMLCallbackHandler

    handler = ClearMLCallbackHandler(complexity_metrics=True, **settings)
    application([handler])
    handler.flush_tracker(finish=True)


DOORS: dict[str, Callable[[dict[str, Any]], None]] = {
    "environment": lambda _: application([]),
    "configure": through_configure,
    "processor": through_processor,
    "exporter": through_exporter,
    "handler": through_handler,
}

if __name__ == "__main__":
    _, door, *given = sys.argv
    DOORS[door](dict(setting.split("=", 1) for setting in given))
