"""LangChain's OpenAI client, instrumented by us and, below, by OpenTelemetry.

    python openai_neighbour_program.py ORDER

Prints a line a call: the spans that came of it and the input tokens that each accounts for.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from langchain_openai import ChatOpenAI
from openai import OpenAI
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

from clearml_otel.demo.openai_server import Reply, loopback_openai
from clearml_otel.langchain import LangChainInstrumentor
from support.traced import memory_provider

provider, exporter = memory_provider()


def instrument(order: str) -> None:
    steps: list[Any] = [
        lambda: LangChainInstrumentor().instrument(
            tracer_provider=provider, complexity_metrics=False
        ),
        lambda: OpenAIInstrumentor().instrument(tracer_provider=provider),
    ]
    for step in steps if order == "ours first" else reversed(steps):
        step()


def show(what: str) -> None:
    spans = exporter.get_finished_spans()
    exporter.clear()
    told = [f"{span.name}={span.attributes.get('gen_ai.usage.input_tokens')}" for span in spans]
    print(f"{what}:", *told)


with loopback_openai(lambda prompts: Reply(["one two three"])):
    instrument(sys.argv[1])
    chat = ChatOpenAI(model="gpt-test", stream_usage=True)
    chat.invoke("a b c")
    show("invoke")
    list(chat.stream("a b c"))
    show("stream")
    asyncio.run(chat.ainvoke("a b c"))
    show("ainvoke")
    OpenAI().chat.completions.create(
        model="gpt-test", messages=[{"role": "user", "content": "a b c"}]
    )
    show("by itself")
