"""Runs of three sessions in a process that is killed, or forks; prints each prompt that is safe.

    python task_per_program.py killed | forked

``killed`` waits for ever after its first tables are in ClearML and more spans are in the spool;
``forked`` asks in the session ``ann`` before a fork, in the parent and in the child.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from langchain_core.language_models.fake import FakeListLLM
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import ClearMLSpanProcessor
from clearml_otel.langchain import LangChainSpanHandler

SETTINGS: dict[str, Any] = {"task_name": "a service", "task_per": "session"}
processor = ClearMLSpanProcessor(**SETTINGS, publish_interval_s=3_600)
provider = TracerProvider()
provider.add_span_processor(processor)
handler = LangChainSpanHandler(provider)
model = FakeListLLM(responses=["an answer"], callbacks=[handler])


def ask(session: str, prompt: str) -> None:
    with processor.tracker.session(session):
        model.invoke(prompt)


if sys.argv[1] == "killed":
    ask("ann", "ann 1")
    ask("bob", "bob 1")
    assert provider.force_flush()
    ask("ann", "ann 2")
    ask("cid", "cid 1")
    model.invoke("nobody's")
    processor.tracker.write()
    print("safe", flush=True)
    threading.Event().wait()
else:
    ask("ann", "before")
    assert provider.force_flush()
    child = os.fork()
    if child == 0:
        ask("ann", "child")
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ask("ann", "parent")
