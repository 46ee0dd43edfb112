"""An application that ends in one of several ways without ever flushing.

    python exit_program.py DOOR END

DOOR: ``handler``, ``processor`` or ``exporter``; END: ``raise``, ``exit3``, ``end``, or
``open``, with a run that a daemon thread never ends.
"""

from __future__ import annotations

import sys

from langchain_core.language_models.fake import FakeListLLM

from clearml_otel import ClearMLCallbackHandler, ClearMLSpanExporter, ClearMLSpanProcessor

door, end = sys.argv[1:]
if door == "handler":
    handler = ClearMLCallbackHandler(task_name="the exit")
else:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from clearml_otel.langchain import LangChainSpanHandler

    provider = TracerProvider()
    if door == "processor":
        provider.add_span_processor(ClearMLSpanProcessor(task_name="the exit"))
    else:
        # the batch goes out after five seconds; this program does not live that long
        exporter = ClearMLSpanExporter(task_name="the exit")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    handler = LangChainSpanHandler(provider)

FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke("a question")
if end == "open":
    import threading

    from langchain_core.runnables import RunnableLambda

    started = threading.Event()

    def hang(question: str) -> None:
        started.set()
        threading.Event().wait()

    chain = RunnableLambda(hang)
    threading.Thread(
        target=chain.invoke, args=("an open question", {"callbacks": [handler]}), daemon=True
    ).start()
    started.wait()
if end == "raise":
    raise RuntimeError("the application's own failure")
if end == "exit3":
    sys.exit(3)
