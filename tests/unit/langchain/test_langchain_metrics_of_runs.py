"""The metrics of LangChain's own runs, whatever becomes of their spans."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from clearml_otel.langchain.client_metrics import ClientMetrics
from support.scripted_models import ScriptedChatModel, ScriptedLLM
from support.traced import Traced, nothing_left_behind, traced

USED: Any = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


class Measured:
    """A handler with metrics, and what they were told."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.reader = InMemoryMetricReader()
        self.tracing: Traced = traced(sampler, metrics=ClientMetrics(MeterProvider([self.reader])))
        self.config = self.tracing.config

    def told(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        metrics = [
            metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return {metric.name: list(metric.data.data_points) for metric in metrics}


@pytest.fixture(params=[ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "sampled-out"])
def measured(request: pytest.FixtureRequest) -> Iterator[Measured]:
    made = Measured(request.param)
    with nothing_left_behind(made.tracing.handler):
        yield made


def test_a_chat_call(measured: Measured) -> None:
    model = ScriptedChatModel(
        answer=AIMessage("hi", usage_metadata=USED), llm_output={"model_name": "m-1"}
    )
    model.invoke("q", measured.config)
    told = measured.told()
    [duration] = told["gen_ai.client.operation.duration"]
    assert duration.count == 1
    assert 0 < duration.sum < 60
    assert duration.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scriptedchatmodel",
        "gen_ai.response.model": "m-1",
    }
    usage = told["gen_ai.client.token.usage"]
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in usage} == {
        "input": 5,
        "output": 2,
    }


def test_a_failed_call(measured: Measured) -> None:
    with pytest.raises(ValueError, match="no answer"):
        ScriptedChatModel(fails_on=["q"]).invoke("q", measured.config)
    [duration] = measured.told()["gen_ai.client.operation.duration"]
    assert duration.attributes["error.type"] == "ValueError"


def test_a_streamed_call(measured: Measured) -> None:
    assert "".join(ScriptedLLM().stream("q", measured.config)) == "echo q"
    told = measured.told()
    [first] = told["gen_ai.client.operation.time_to_first_chunk"]
    [duration] = told["gen_ai.client.operation.duration"]
    assert 0 <= first.sum <= duration.sum
    assert duration.attributes["gen_ai.operation.name"] == "text_completion"


@tool
def half(x: int) -> int:
    """Half."""
    return 10 // x


def test_tools(measured: Measured) -> None:
    half.invoke({"x": 2}, measured.config)
    with contextlib.suppress(ZeroDivisionError):
        half.invoke({"x": 0}, measured.config)
    points = measured.told()["gen_ai.execute_tool.duration"]
    common = {"gen_ai.tool.name": "half", "gen_ai.tool.type": "function"}
    assert [point.attributes for point in points] == [
        common,
        {**common, "error.type": "ZeroDivisionError"},
    ]


class Library(BaseRetriever):
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [Document("d")]


def test_a_retrieval(measured: Measured) -> None:
    Library().invoke("q", measured.config)
    [duration] = measured.told()["gen_ai.client.operation.duration"]
    assert duration.attributes == {"gen_ai.operation.name": "retrieval"}


def test_plain_chains_and_suppressed_runs_are_not_measured(measured: Measured) -> None:
    RunnableLambda(str).invoke(1, measured.config)
    with suppress_instrumentation():
        ScriptedChatModel().invoke("q", measured.config)
    assert measured.told() == {}
