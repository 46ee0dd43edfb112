"""Measures the pipeline's stages in a process of its own; prints one JSON object.

python -m benchmarks.pipeline_worker ROUNDS CALLS SPANS FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.models import TextModel
from clearml_otel import ClearMLSpanProcessor
from clearml_otel.attributes import RUN_ID, SCOPE_NAME
from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.pipeline.span_codec import decode, encode
from clearml_otel.pipeline.spool import Spool
from clearml_otel.readability import Measurer
from clearml_otel.records import build_tables
from clearml_otel.spans import from_readable_span
from clearml_otel.spans.otlp_json import from_otlp_json, to_otlp_json_lines

_BATCH: Final = 512
_WORDS: Final = 100
_OF_TRACE: Final = 10
_BURST: Final = 2_000
_SHARE: Final = 20  # LLM calls are twenty times as large as the spans of the long run
_ATTRIBUTES: Final = {"number": 1, "text": "x" * 100, "share": 0.5}
_MICROSECONDS: Final = 1e6

Measured = dict[str, list[float]]


def llm_spans(calls: int = _BATCH, measure: Measurer | None = None) -> Sequence[ReadableSpan]:
    """Finished LLM calls, a batch of them, with prompts and answers of a hundred words."""
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    model = TextModel(words=_WORDS)
    handler = LangChainSpanHandler(provider, measure=measure)
    for number in range(calls):
        model.invoke(f"{number}. Write a paragraph.", {"callbacks": [handler]})
    return exporter.get_finished_spans()


def each(stage: Callable[[], object], spans: int, rounds: int) -> list[float]:
    """CPU microseconds a span of each round."""
    found: list[float] = []
    for _ in range(rounds):
        began = time.thread_time()
        stage()
        found.append((time.thread_time() - began) / spans * _MICROSECONDS)
    return found


def stages(rounds: int, calls: int, folder: Path) -> dict[str, Measured]:
    """The stages that a batch passes, and what others need for the same.

    Args:
        rounds: of each stage.
        calls: in a session whose tables are made at once.
        folder: of the spool.
    """
    spans = llm_spans()
    records = [from_readable_span(span) for span in spans]
    measured = list(map(from_readable_span, llm_spans(measure=Measurer())))
    session = list(map(from_readable_span, llm_spans(calls)))
    body, _ = encode(spans)
    lines = list(to_otlp_json_lines(records))
    spool = Spool(str(folder), max_bytes=10**10, max_age_s=10**6)
    spool.set_stream("benchmark", {})

    def timed(stage: Callable[[], object]) -> list[float]:
        stage()
        return each(stage, _BATCH, rounds)

    found: dict[str, Measured] = {
        "append": {"ours": timed(lambda: spool.append("benchmark", 0, body, _BATCH))},
        "encode": {
            "ours": timed(lambda: encode(spans)),
            "bare": timed(lambda: list(to_otlp_json_lines(map(from_readable_span, spans)))),
        },
        "decode": {
            "ours": timed(lambda: decode(body)),
            "bare": timed(lambda: [from_otlp_json(line) for line in lines]),
        },
        "tables": {"ours": timed(lambda: build_tables(records))},
        "measured": {"ours": timed(lambda: build_tables(measured))},
        "session": {"ours": each(lambda: build_tables(session), len(session), 3)},
    }
    spool.drop_stream("benchmark")
    spool.close()
    protobuf = _protobuf(spans)
    if protobuf is not None:
        found["encode"]["old"] = timed(protobuf)
    return found


def _protobuf(spans: Sequence[ReadableSpan]) -> Callable[[], object] | None:
    try:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    except ModuleNotFoundError:
        return None
    return lambda: encode_spans(spans).SerializeToString()


def bytes_of_a_span() -> dict[str, float]:
    """Bytes in the spool, and as OTLP JSON."""
    spans = llm_spans()
    text = "".join(to_otlp_json_lines(map(from_readable_span, spans)))
    return {"ours": len(encode(spans)[0]) / _BATCH, "bare": len(text) / _BATCH}


class _Nothing(SpanProcessor):
    pass


def bursts(rounds: int) -> Measured:
    """Small traces in bursts that the background has time for, with and without our processor."""
    ours = ClearMLSpanProcessor(task_name="burst", publish_interval_s=3_600.0)
    providers = {"none": _provider(_Nothing()), "ours": _provider(ours)}
    found: Measured = {name: [] for name in providers}
    for _ in range(rounds):
        for name, provider in providers.items():
            tracer = provider.get_tracer("benchmark")
            found[name] += each(lambda tracer=tracer: _traces(tracer, _BURST), _BURST, 1)
            ours.tracker.write()
    ours.shutdown()
    return found


def processors(spans: int) -> dict[str, Any]:
    """Small traces without a pause through our processor, by tenths."""
    before = _rss()
    provider = _provider(ClearMLSpanProcessor(task_name="benchmark", shutdown_timeout_s=3_600.0))
    tracer = provider.get_tracer("benchmark")
    tenths = each(lambda: _traces(tracer, spans // 10), spans // 10, 10)
    grown = _rss() - before
    began = time.perf_counter()
    provider.shutdown()
    return {"tenths": tenths, "rss_mb": grown / 1e6, "shutdown_s": time.perf_counter() - began}


def end_to_end(spans: int, folder: Path) -> float:
    """Spans a second of one CPU, from their ends to their tables in an offline session.

    Through processor, spool, assembly, records and encoding; what the spans themselves and an
    empty session cost is left out. The session is published once, at the end.
    """
    templates = [dict(span.attributes or {}) for span in llm_spans()]

    def make(processor: SpanProcessor, spans: int) -> float:
        provider = _provider(processor)
        tracer = provider.get_tracer(SCOPE_NAME)
        began = time.process_time()
        for trace in range(spans // _OF_TRACE):
            with tracer.start_as_current_span("request", attributes=_ATTRIBUTES):
                for number in range(trace * _OF_TRACE, (trace + 1) * _OF_TRACE - 1):
                    given = {**templates[number % _BATCH], RUN_ID: str(number)}
                    tracer.start_span("text_completion", attributes=given).end()
        provider.shutdown()
        return time.process_time() - began

    def ours() -> ClearMLSpanProcessor:
        return ClearMLSpanProcessor(
            task_name="end to end",
            offline=True,
            offline_folder=str(folder / "offline"),
            # once, at the end
            trace_grace_s=3_600.0,
            max_buffered_spans=10**9,
            shutdown_timeout_s=3_600.0,
        )

    bare, empty = make(_Nothing(), spans), make(ours(), _OF_TRACE)
    return spans / max(make(ours(), spans) - bare - empty, 1e-6)


def _provider(processor: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def _traces(tracer: Any, spans: int) -> None:
    for _ in range(spans // _OF_TRACE):
        with tracer.start_as_current_span("root", attributes=_ATTRIBUTES):
            for _ in range(_OF_TRACE - 1):
                tracer.start_span("child", attributes=_ATTRIBUTES).end()


def _rss() -> int:
    import psutil

    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    given_rounds, given_calls, given_spans, given_folder = sys.argv[1:]
    os.environ["OTEL_EXPORTER_CLEARML_SPOOL_FOLDER"] = given_folder
    print(
        json.dumps(
            {
                "stages": stages(int(given_rounds), int(given_calls), Path(given_folder)),
                "bytes": bytes_of_a_span(),
                "bursts": bursts(int(given_rounds)),
                "end_to_end": end_to_end(int(given_spans) // _SHARE, Path(given_folder)),
                "processors": processors(int(given_spans)),
            }
        )
    )
