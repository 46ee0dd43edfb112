"""Many threads, each processor, a slow ClearML: everything arrives, or its loss is named."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from clearml_otel import ClearMLSpanExporter, ClearMLSpanProcessor
from clearml_otel import tracker as tracker_module
from clearml_otel.attributes import SCOPE_NAME
from support.run_records import answered, asked
from support.scripted_transport import ScriptedTransport

THREADS, TRACES = 16, 2_000
SETTINGS: dict[str, Any] = {"task_name": "a task", "shutdown_timeout_s": 600.0}


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> ScriptedTransport:
    never = threading.Event()
    made = ScriptedTransport(lambda _: void(never.wait(0.1)))
    monkeypatch.setattr(tracker_module, "transport_for", lambda _: made)
    return made


def void(_: object) -> None:
    return


def run(processor: SpanProcessor, exporter: ClearMLSpanExporter | None = None) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    if exporter is not None:
        exporter.count_on(provider)
    tracer = provider.get_tracer(SCOPE_NAME)
    ready = threading.Barrier(THREADS)

    def work(number: int) -> None:
        ready.wait()
        for trace in range(TRACES):
            prompt = f"{number}:{trace}"
            attributes = {
                "langchain.run.id": prompt,
                "langchain.run.type": "llm",
                "gen_ai.input.messages": asked(prompt),
                "gen_ai.output.messages": answered("yes"),
            }
            tracer.start_span("run", attributes=attributes).end()

    threads = [threading.Thread(target=work, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provider.shutdown()


def found(transport: ScriptedTransport) -> Counter[str]:
    """Of the CSV artifact: the plots come in pages."""
    (artifact,) = [
        each for name, each in transport.artifacts.items() if name.startswith("Session Analysis")
    ]
    return Counter(re.findall(r"\b\d+:\d+\b", artifact.data.decode()))


WANTED = Counter(f"{number}:{trace}" for number in range(THREADS) for trace in range(TRACES))


@pytest.mark.slow
def test_with_our_processor_nothing_is_lost(transport: ScriptedTransport) -> None:
    run(ClearMLSpanProcessor(**SETTINGS))
    assert found(transport) == WANTED
    assert transport.configuration.keys() == {"clearml-otel"}


@pytest.mark.slow
def test_with_the_simple_processor_neither(transport: ScriptedTransport) -> None:
    run(SimpleSpanProcessor(ClearMLSpanExporter(**SETTINGS)))
    assert found(transport) == WANTED


@pytest.mark.slow
def test_what_the_batch_processor_drops_is_counted_and_named(
    transport: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = ClearMLSpanExporter(**SETTINGS)
    real, slow = exporter.export, threading.Event()

    def export(spans: Any) -> Any:
        slow.wait(0.1)
        return real(spans)

    exporter.export = export  # type: ignore[method-assign] - as slow as the network
    run(BatchSpanProcessor(exporter), exporter)
    there = found(transport)
    assert set(there.values()) == {1}
    lost = len(WANTED) - len(there)
    assert lost > 0
    said = transport.configuration["Lost spans - session"]
    assert said == f"{lost} spans lost: dropped by the span processor, its queue was full\n"
    assert f"LOST: {lost} spans" in caplog.text
