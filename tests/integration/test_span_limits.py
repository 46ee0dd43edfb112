"""At the SDK's default limits the tables are those of a provider without limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_classic.agents import AgentExecutor
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.records import SessionTables
from support.scripted_models import ScriptedLLM
from support.shape_parts import TurnsModel, calling, weather
from support.shapes import dicts
from support.traced import Traced, memory_provider

UNLIMITED = SpanLimits(
    max_attributes=SpanLimits.UNSET,
    max_span_attributes=SpanLimits.UNSET,
    max_events=SpanLimits.UNSET,
    max_event_attributes=SpanLimits.UNSET,
    max_links=SpanLimits.UNSET,
    max_link_attributes=SpanLimits.UNSET,
    max_attribute_length=SpanLimits.UNSET,
    max_span_attribute_length=SpanLimits.UNSET,
)
OWN = {
    "trace_id",
    "span_id",
    "start_time",
    "duration_s",
    "time_to_first_chunk_s",
    "time_to_first_token_s",
}
"""Columns in which two spans of one run differ."""


def tables_of(program: Callable[[RunnableConfig], object]) -> SessionTables:
    """Both providers' tables of the same runs, which must be equal."""
    unlimited = TracerProvider(span_limits=UNLIMITED, shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    unlimited.add_span_processor(SimpleSpanProcessor(exporter))
    found = [
        Traced(provider, spans, LangChainSpanHandler(provider))
        for provider, spans in (memory_provider(), (unlimited, exporter))
    ]
    program({"callbacks": [each.handler for each in found], "recursion_limit": 1_000})
    limited, whole = (each.tables for each in found)
    assert common(limited.records) == common(whole.records)
    for table in ("actions", "session", "runs"):
        assert common(dicts(getattr(limited, table))) == common(dicts(getattr(whole, table)))
    for each in found:
        assert not any(span.dropped_attributes or span.dropped_events for span in each.records)
    return limited


def common(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: cell for name, cell in row.items() if name not in OWN} for row in rows]


def test_a_chat_of_eighty_messages() -> None:
    messages: list[Any] = []
    for number in range(20):
        messages += [
            HumanMessage(f"question {number}"),
            calling("weather", f"c{number}", city=f"town {number}"),
            ToolMessage(f"sunny in town {number}", tool_call_id=f"c{number}"),
            AIMessage(f"answer {number}"),
        ]
    tables = tables_of(lambda config: TurnsModel(turns=["Done."]).invoke(messages, config))
    ((prompt, answer),) = [(row["prompts"], row["output"]) for row in dicts(tables.session)]
    assert answer == "Done."
    for number in range(20):
        for said in (f"question {number}\n", f"town {number}", f"answer {number}"):
            assert said in f"{prompt}\n"


def test_an_executor_of_three_hundred_actions() -> None:
    def plan(told: dict[str, Any]) -> AgentAction | AgentFinish:
        steps = len(told["intermediate_steps"])
        if steps == 300:
            return AgentFinish({"output": "done"}, "enough")
        return AgentAction("weather", f"town {steps}", f"thought {steps}")

    def program(config: RunnableConfig) -> object:
        executor = AgentExecutor(
            agent=RunnableLambda(plan).with_config(run_name="plan"),
            tools=[weather],
            max_iterations=None,
        )
        return executor.invoke({"input": "where?"}, config)

    records = tables_of(program).records
    actions = [row for row in records if row["action"] == "on_agent_action"]
    assert [row["tool_input"] for row in actions] == [f"town {number}" for number in range(300)]
    assert [row["log"] for row in actions] == [f"thought {number}" for number in range(300)]
    outputs = [row["output"] for row in records if row["action"] == "on_tool_end"]
    assert outputs == [f"sunny in town {number}" for number in range(300)]
    (finish,) = [row for row in records if row["action"] == "on_agent_finish"]
    assert (finish["output"], finish["agent_ends"]) == ("done", 1)
    assert (records[-1]["tool_starts"], records[-1]["tool_ends"]) == (600, 300)


def test_a_graphs_agent_of_three_hundred_steps() -> None:
    turns = [calling("weather", f"c{number}", city=f"town {number}") for number in range(150)]

    def program(config: RunnableConfig) -> object:
        agent = create_agent(TurnsModel(turns=[*turns, "Everywhere."]), [weather])
        return agent.invoke({"messages": [HumanMessage("where?")]}, config)

    tables = tables_of(program)
    outputs = [row["output"] for row in tables.records if row["action"] == "on_tool_end"]
    assert outputs == [f"sunny in town {number}" for number in range(150)]
    assert (tables.records[0]["input"], tables.records[-1]["outputs"]) == ("where?", "Everywhere.")
    prompts = [str(row["prompts"]) for row in dicts(tables.session)]
    assert len(prompts) == 151
    assert [f"town {n - 1}" in prompt for n, prompt in enumerate(prompts)] == [False] + [True] * 150


@pytest.mark.parametrize("how", ["completion", "chat", "async chat"])
def test_a_stream_of_two_thousand_tokens(how: str) -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(2_000))

    async def astream(config: RunnableConfig) -> None:
        model = TurnsModel(pieces=[AIMessageChunk(letter) for letter in text])
        async for _ in model.astream("q", config):
            pass

    def program(config: RunnableConfig) -> object:
        if how == "async chat":
            return asyncio.run(astream(config))
        if how == "chat":
            model = TurnsModel(pieces=[AIMessageChunk(letter) for letter in text])
            return len(list(model.stream("q", config)))
        return len(list(ScriptedLLM(answers={"q": [text]}).stream("q", config)))

    tables = tables_of(program)
    (run,) = dicts(tables.runs)
    assert tables.records[-1]["text"] == text
    # LangChain's own last chunk of a chat stream counts where it is sent
    assert run["stream_tokens"] == tables.records[-1]["llm_streams"]
    assert 2_000 <= run["stream_tokens"] <= 2_001


def test_more_events_and_metadata_than_a_span_takes() -> None:
    def work(x: str) -> str:
        for number in range(400):
            dispatch_custom_event("count", number)
        return x

    def program(config: RunnableConfig) -> object:
        metadata = {f"key{number}": number for number in range(300)}
        return RunnableLambda(work).invoke("q", {**config, "metadata": metadata})

    tables = tables_of(program)
    told = [row["data"] for row in tables.records if row["action"] == "on_custom_event"]
    assert told == [str(number) for number in range(400)]
    assert '"key299": 299' in str(dicts(tables.runs)[0]["metadata"])
