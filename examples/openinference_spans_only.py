"""ClearML's tables from spans that OpenInference makes; no instrumentation of ours.

    pip install "clearml-otel[demo]" openinference-instrumentation-langchain
    python openinference_spans_only.py

Where Phoenix or Arize have your spans already, one more span processor gives the tables.
"""

from __future__ import annotations

import contextlib
import os

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from openinference.instrumentation import using_session
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import ClearMLSpanProcessor
from clearml_otel.demo.openai_server import Reply, loopback_openai

# keep the results on this machine; without this line they go to your ClearML server
os.environ.setdefault("CLEARML_OFFLINE_MODE", "1")


def answer(prompts: list[str]) -> Reply:
    """Stand in for the model where there is no key."""
    return Reply([f"Somebody asked me this: {prompt}" for prompt in prompts])


def main() -> None:
    provider = TracerProvider()
    clearml = ClearMLSpanProcessor(
        project_name="clearml-otel examples", task_name="OpenInference spans only"
    )
    provider.add_span_processor(clearml)
    LangChainInstrumentor().instrument(tracer_provider=provider)
    with contextlib.ExitStack() as stack:
        if not os.environ.get("OPENAI_API_KEY"):
            stack.enter_context(loopback_openai(answer))
        prompt = ChatPromptTemplate.from_template("Tell me a joke about {topic}.")
        chain = prompt | ChatOpenAI(model="gpt-4o-mini")
        for session, topic in (("ann", "fish"), ("bob", "walls"), ("ann", "roses")):
            with using_session(session):
                print(chain.invoke({"topic": topic}).text)
    provider.shutdown()
    print(f"The tables are in {clearml.tracker.location}")


if __name__ == "__main__":
    main()
