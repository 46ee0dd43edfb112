"""Reports what of the process a full use of the package leaves changed.

    python neighbour_program.py MODE

MODE is ``with`` (our handler runs and finishes) or ``without`` (only ``import clearml``, where a
server is set). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import builtins
import json
import os
import random
import signal
import sys
import threading

# what it changes itself, such as the excepthook on Python 3.10, is not ours
from langchain_core.language_models.fake import FakeListLLM

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE)
before = {
    "excepthook": sys.excepthook,
    "exit": sys.exit,
    "import": builtins.__import__,
    "stdout": sys.stdout,
    "stderr": sys.stderr,
    "signals": [signal.getsignal(number) for number in SIGNALS],
    "environ": dict(os.environ),
}
parse_args = argparse.ArgumentParser.parse_args
offline = os.environ.get("CLEARML_OFFLINE_MODE") == "1"

if sys.argv[1] == "without":
    if not offline:
        import clearml  # noqa: F401
    random.seed(4)
else:
    from clearml_otel import ClearMLCallbackHandler

    random.seed(4)
    handler = ClearMLCallbackHandler(task_name="neighbour", complexity_metrics=True)
    model = FakeListLLM(responses=["an answer of some words"], callbacks=[handler])
    for _ in range(3):
        model.invoke("a question")
        handler.flush_tracker("asked", langchain_asset=model)
    handler.flush_tracker("last", finish=True)


def children() -> list[str]:
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
        return file.read().split()


print(
    json.dumps(
        {
            "random": [random.random() for _ in range(3)],
            "excepthook": sys.excepthook is before["excepthook"],
            "exit": sys.exit is before["exit"],
            "import": builtins.__import__ is before["import"],
            "stdout": sys.stdout is before["stdout"] and sys.stderr is before["stderr"],
            "signals": [signal.getsignal(n) for n in SIGNALS] == before["signals"],
            "environ": dict(os.environ) == before["environ"],
            "argparse": argparse.ArgumentParser.parse_args is parse_args,
            "threads": [thread.name for thread in threading.enumerate()],
            "children": children(),
            "clearml": "clearml" in sys.modules,
        }
    )
)
