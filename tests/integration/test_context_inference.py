"""One span of a model call accounts for its tokens, whoever else records the call."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda

from clearml_otel import attributes as names
from clearml_otel.langchain import inference_context
from support.instrumented import Instrumented, instrumented
from support.probes import ProbeChat

TelemetryHandler = pytest.importorskip("opentelemetry.util.genai.handler").TelemetryHandler
USAGE: Any = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
PROGRAM = Path(__file__).parents[1] / "support" / "openai_neighbour_program.py"


class Provider(ProbeChat):
    """A model whose client is instrumented with OpenTelemetry's GenAI utilities."""

    telemetry: Any = None

    def called(self) -> None:
        inference = self.telemetry.inference("openai", request_model="gpt")
        inference.input_tokens, inference.output_tokens = 3, 5
        inference.stop()

    def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        self.called()
        message = AIMessage("answer", usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        await asyncio.sleep(0)
        return self._generate(messages)

    def _stream(self, messages: Any, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        self.called()
        yield ChatGenerationChunk(message=AIMessageChunk(content="ans"))
        yield ChatGenerationChunk(message=AIMessageChunk(content="wer", usage_metadata=USAGE))


@pytest.fixture
def traced(caplog: pytest.LogCaptureFixture) -> Iterator[Instrumented]:
    with instrumented(caplog) as made:
        yield made


@pytest.fixture
def telemetry(traced: Instrumented) -> Any:
    return TelemetryHandler(tracer_provider=traced.provider)


def input_tokens(traced: Instrumented) -> list[object]:
    """What a backend finds that adds up every span's usage."""
    told = [(span.attributes or {}).get(names.USAGE_INPUT_TOKENS) for span in traced.spans]
    return [number for number in told if number is not None]


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream"])
def test_a_providers_instrumentation_keeps_quiet_inside(
    traced: Instrumented, telemetry: Any, way: str
) -> None:
    model = Provider(tracer=traced.tracer, telemetry=telemetry)
    if way == "invoke":
        model.invoke("q")
    elif way == "ainvoke":
        asyncio.run(model.ainvoke("q"))
    else:
        list(model.stream("q"))
    assert traced.paths() == ["Provider"]
    assert input_tokens(traced) == [3]


def test_outside_of_our_models_it_speaks(traced: Instrumented, telemetry: Any) -> None:
    model = Provider(tracer=traced.tracer, telemetry=telemetry)
    RunnableLambda(lambda _: model.called(), name="chain").invoke("q")
    assert traced.paths() == ["chain", "chain > chat gpt"]


def test_a_model_in_a_model_counts_as_langchain_counts(
    traced: Instrumented, telemetry: Any
) -> None:
    class Router(Provider):
        def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
            inner = Provider(tracer=self.tracer, telemetry=self.telemetry)
            return ChatResult(generations=[ChatGeneration(message=inner.invoke(messages))])

    Router(tracer=traced.tracer, telemetry=telemetry).invoke("q")
    assert traced.paths() == ["Router", "Router > Provider"]
    assert input_tokens(traced) == [3, 3]


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_inside_of_somebodys_inference_the_tokens_are_theirs(
    traced: Instrumented, telemetry: Any, way: str
) -> None:
    model = Provider(tracer=traced.tracer, telemetry=telemetry)
    with telemetry.inference("gateway", request_model="any"):
        if way == "invoke":
            model.invoke("q")
        else:
            list(model.stream("q"))
    assert traced.paths() == ["chat any", "chat any > Provider"]
    ours, theirs = traced.spans
    assert input_tokens(traced) == [3]
    assert (theirs.attributes or {})[names.USAGE_INPUT_TOKENS] == 3
    assert (ours.attributes or {})[names.OWN_USAGE_INPUT_TOKENS] == 3
    # and the records have them all the same
    runs = traced.tables.runs
    rows = [dict(zip(runs.columns, row, strict=True)) for row in runs.rows]
    told = [(row["input_tokens"], row["output_tokens"], row["total_tokens"]) for row in rows]
    assert (3, 5, 8) in told


def test_without_the_utilities_nothing_is_said(
    traced: Instrumented, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.util.genai.invocation")
    ProbeChat(tracer=traced.tracer).invoke("q")
    assert inference_context.entry() is None
    assert traced.paths() == ["ProbeChat", "ProbeChat > http generate"]


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"InferenceData": dict},
        {"CLIENT_INFERENCE_CONTEXT_KEY": "key", "InferenceData": print},
        {"CLIENT_INFERENCE_CONTEXT_KEY": "key", "InferenceData": bool},
        {"CLIENT_INFERENCE_CONTEXT_KEY": "key", "InferenceData": slice},
    ],
)
def test_other_versions_of_the_utilities_break_nothing(
    traced: Instrumented, monkeypatch: pytest.MonkeyPatch, found: dict[str, Any]
) -> None:
    module = types.ModuleType("opentelemetry.util.genai.invocation")
    vars(module).update(found)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    ProbeChat(tracer=traced.tracer).invoke("q")
    assert inference_context.entry() is None
    assert traced.paths() == ["ProbeChat", "ProbeChat > http generate"]


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_the_official_instrumentation_of_openai(order: str) -> None:
    pytest.importorskip("opentelemetry.instrumentation.genai.openai")
    done = subprocess.run(
        [sys.executable, PROGRAM, order],
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "invoke: chat gpt-test=4",
        "stream: chat gpt-test=4",
        "ainvoke: chat gpt-test=4",
        "by itself: chat gpt-test=4",
    ]
