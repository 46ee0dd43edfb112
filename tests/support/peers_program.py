"""LangChain instrumented by us and by others at once.

    python peers_program.py FIRST,SECOND,...

The names say who is instrumented, in which order: ``ours``, ``openinference``, ``traceloop``,
``official``, ``langfuse``. Prints one JSON object: what each work came to in our spans.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from opentelemetry import context as otel_context

from clearml_otel.attributes import RUN_ID, RUN_PARENT_ID, SCOPE_NAME
from clearml_otel.langchain import LangChainInstrumentor
from clearml_otel.records import build_tables
from clearml_otel.spans import from_readable_span
from support.probes import ProbeChat, ProbeLLM, ProbeRetriever
from support.run_names import run_name
from support.traced import memory_provider

provider, exporter = memory_provider()
application = provider.get_tracer("application")
logged: list[str] = []


class Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logged.append(f"{record.name}: {record.getMessage()[:200]}")


def instrument(name: str) -> None:
    if name == "ours":
        LangChainInstrumentor().instrument(tracer_provider=provider, complexity_metrics=False)
    elif name == "openinference":
        from openinference.instrumentation.langchain import LangChainInstrumentor as OpenInference

        OpenInference().instrument(tracer_provider=provider)
    elif name == "traceloop":
        from opentelemetry.instrumentation.langchain import LangchainInstrumentor as Traceloop

        Traceloop().instrument(tracer_provider=provider)
    elif name == "official":
        from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor as Official

        Official().instrument(tracer_provider=provider)


chat, llm = ProbeChat(tracer=application), ProbeLLM(tracer=application)
chain = RunnableLambda(str, name="first") | chat | RunnableLambda(lambda m: m.content, name="last")


@tool
def lookup(q: str) -> str:
    """Looks up."""
    application.start_span("http tool").end()
    return str(chain.invoke(q))


def agent() -> Any:
    class Scripted(GenericFakeChatModel):
        def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
            return self

    calls = [{"name": "lookup", "args": {"q": "x"}, "id": "1"}]
    answers = iter([AIMessage("", tool_calls=calls), AIMessage("done")])
    return create_agent(Scripted(messages=answers), [lookup])


async def astream() -> None:
    async for _ in chain.astream("q"):
        pass


async def abatch() -> None:
    await chain.abatch(["a", "b"])


ASKED: dict[str, Any] = {"messages": [("human", "q")]}
WORK: dict[str, Callable[[], Any]] = {
    "chain": lambda: chain.invoke("q"),
    "batch": lambda: chain.batch(["a", "b"]),
    "stream": lambda: list(chain.stream("q")),
    "ainvoke": lambda: asyncio.run(chain.ainvoke("q")),
    "astream": lambda: asyncio.run(astream()),
    "abatch": lambda: asyncio.run(abatch()),
    "llm": lambda: llm.invoke("q"),
    "llm stream": lambda: list(llm.stream("q")),
    "retriever": lambda: ProbeRetriever(tracer=application).invoke("q"),
    "tool": lambda: lookup.invoke({"q": "x"}),
    "agent": lambda: agent().invoke(ASKED),
    "aagent": lambda: asyncio.run(agent().ainvoke(ASKED)),
}


def result(work: Callable[[], Any]) -> dict[str, Any]:
    """Our spans of one work, done in a context of its own."""
    clean = otel_context.attach(otel_context.Context())
    work()
    otel_context.attach(otel_context.Context())
    del clean
    spans = exporter.get_finished_spans()
    exporter.clear()
    ours = [s for s in spans if s.instrumentation_scope.name == SCOPE_NAME]
    by_id = {span.context.span_id: span for span in ours}
    by_run = {span.attributes[RUN_ID]: span for span in ours}
    wrong = [
        run_name(span)
        for span in ours
        if (parent := span.attributes.get(RUN_PARENT_ID)) is not None
        and span.parent is not None
        and by_id.get(span.parent.span_id) is not by_run.get(parent)
    ]
    probes = [
        run_name(by_id[span.parent.span_id])
        if span.parent is not None and span.parent.span_id in by_id
        else "somebody else's"
        for span in spans
        if span.instrumentation_scope.name == "application"
    ]
    tables = build_tables([from_readable_span(span) for span in ours])
    return {
        "runs": sorted(run_name(span) for span in ours),
        "distinct": len(by_run),
        "wrong parents": wrong,
        "probes": sorted(probes),
        "actions": sorted(str(record["action"]) for record in tables.records),
    }


names = [name for name in sys.argv[1].split(",") if name]
listener = Listener(level=logging.WARNING)
for logger in ("clearml_otel", "langchain_core.callbacks.manager"):
    logging.getLogger(logger).addHandler(listener)
for name in names:
    instrument(name)
report = {name: result(work) for name, work in WORK.items()}
layer = LangChainInstrumentor._layer
report["left open"] = len(layer._handler.spans) if layer is not None else None
LangChainInstrumentor().uninstrument()
for name, work in WORK.items():
    report[f"off {name}"] = result(work)["runs"]
report["logged"] = logged
print(json.dumps(report))
