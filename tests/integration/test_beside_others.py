"""Beside an OTLP exporter on one provider: both get every span, and neither disturbs the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from clearml_otel import ClearMLSpanExporter, ClearMLSpanProcessor
from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.pipeline import orphans
from support.offline import OfflineClearML
from support.otlp_receiver import OtlpReceiver

UNUSED = "http://127.0.0.1:9"  # the discard port: nobody listens


def work(provider: TracerProvider) -> None:
    """An application's own span around a chain, and a batch."""
    handler = LangChainSpanHandler(provider)
    chain = FakeListChatModel(responses=["hello"]) | (lambda message: message.content)
    with provider.get_tracer("application").start_as_current_span("request"):
        chain.invoke("hi", config={"callbacks": [handler]})
    FakeListLLM(responses=["a", "b"], callbacks=[handler]).generate(["x", "y"])


@pytest.mark.parametrize("door", ["processor", "exporter"])
def test_both_get_every_span(door: str, offline: OfflineClearML) -> None:
    with OtlpReceiver() as other:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=other.endpoint)))
        if door == "processor":
            provider.add_span_processor(ClearMLSpanProcessor(task_name="beside"))
        else:
            provider.add_span_processor(BatchSpanProcessor(ClearMLSpanExporter(task_name="beside")))
        work(provider)
        provider.shutdown()

    assert sorted(span.name for span in other.spans) == [
        "RunnableLambda",
        "RunnableSequence",
        "chat FakeListChatModel",
        "request",
        "text_completion FakeListLLM",
        "text_completion FakeListLLM",
    ]
    session = offline.session()
    runs = session.table("Runs", "session").dicts()
    spans = {span.span_id: span for span in other.spans}
    assert {row["span_id"] for row in runs} == spans.keys() - {
        span.span_id for span in other.spans if span.name == "request"
    }
    request = next(span for span in other.spans if span.name == "request")
    sequence = next(span for span in other.spans if span.name == "RunnableSequence")
    assert sequence.parent_span_id == request.span_id
    assert session.task["status"] == "completed"


def the_only(found: Sequence[orphans.Left]) -> orphans.Left:
    (left,) = found
    return left


def test_a_dead_clearml_disturbs_nobody(
    offline: OfflineClearML, own_spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARML_OFFLINE_MODE")
    for service in ("API", "WEB", "FILES"):
        monkeypatch.setenv(f"CLEARML_{service}_HOST", UNUSED)
    for key in ("ACCESS", "SECRET"):
        monkeypatch.setenv(f"CLEARML_API_{key}_KEY", "any")
    with OtlpReceiver() as other:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(ClearMLSpanProcessor(task_name="dead", shutdown_timeout_s=1.0))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=other.endpoint)))
        started = time.monotonic()
        work(provider)
        assert time.monotonic() - started < 1.0
        provider.shutdown()
        assert len(other.spans) == 6
    # nothing is lost either: what ClearML did not take is in the spool
    deadline = time.monotonic() + 20
    while (left := the_only(orphans.waiting([own_spool]))).in_use and time.monotonic() < deadline:
        time.sleep(0.05)  # the process's look for what is left may be trying once more, untold
    assert (left.spans, left.in_use) == (6, False)


def test_a_dead_backend_disturbs_not_clearml(offline: OfflineClearML) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    dead = OTLPSpanExporter(endpoint=f"{UNUSED}/v1/traces", timeout=1)
    provider.add_span_processor(BatchSpanProcessor(dead))
    provider.add_span_processor(ClearMLSpanProcessor(task_name="alive"))
    work(provider)
    provider.shutdown()
    assert len(offline.session().table("Runs", "session").rows) == 5
