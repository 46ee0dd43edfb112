"""Runs a chain and ends, or is killed, before ClearML has its tables.

python leaving_program.py TASK_NAME kill|end [FLUSH_NAME]
"""

from __future__ import annotations

import os
import signal
import sys

from langchain_core.language_models.fake import FakeListLLM
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import ClearMLCallbackHandler, ClearMLSpanProcessor
from clearml_otel.langchain import LangChainSpanHandler

name, end, *flush = sys.argv[1:]
if flush:
    handler = ClearMLCallbackHandler(task_name=name)
    FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke("a question")
    handler.flush_tracker(flush[0], langchain_asset=FakeListLLM(responses=["x"]))
else:
    processor = ClearMLSpanProcessor(task_name=name, publish_interval_s=0)
    provider = TracerProvider()
    provider.add_span_processor(processor)
    handler = LangChainSpanHandler(provider)
    FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke("a question")
    processor.tracker.write()
if end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
