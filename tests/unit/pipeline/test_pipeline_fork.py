"""A forked child publishes its own runs, the parent its own, each once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.session_files import read_zip

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TESTS = Path(__file__).parents[2]


def run(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLEARML_", "OTEL_", "LANGSMITH_", "LANGCHAIN_"))
    }
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**inherited, "PYTHONPATH": str(TESTS), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("when", ["early", "late"])
def test_each_process_publishes_its_own_runs_once(tmp_path: Path, when: str) -> None:
    done = run(tmp_path, TESTS / "support" / "forking_program.py", tmp_path, when)
    assert done.returncode == 0, done.stderr
    found = [
        (series, row["prompts"])
        for path in sorted(tmp_path.rglob("*.zip"))
        for (metric, series, _), table in read_zip(path).tables.items()
        if metric == "Session Analysis"
        for row in table.dicts()
    ]
    prompts = sorted(prompt for _, prompt in found)
    wanted = ["child", "parent after", "parent before"]
    assert prompts == (sorted([*wanted, "parent between"]) if when == "late" else wanted)
    (child,) = [series for series, prompt in found if prompt == "child"]
    assert child.startswith("mine (process ")
    assert ("mine", "parent after") in found


POOL = """
import multiprocessing, os, sys
from langchain_core.language_models.fake import FakeListLLM
from opentelemetry.sdk.trace import TracerProvider
from clearml_otel import ClearMLSpanProcessor
from clearml_otel.langchain import LangChainSpanHandler

os.environ |= {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": sys.argv[1]}
provider = TracerProvider()
provider.add_span_processor(ClearMLSpanProcessor(task_name="a task"))
handler = LangChainSpanHandler(provider)

def ask(question):
    FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke(question)

context = multiprocessing.get_context("fork")
children = [context.Process(target=ask, args=[f"child {n}"]) for n in range(3)]
for child in children:
    child.start()
ask("parent")
for child in children:
    child.join()
    assert child.exitcode == 0
"""


def test_children_of_multiprocessing_publish_though_they_run_no_exit_handlers(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, "-c", POOL, tmp_path)
    assert done.returncode == 0, done.stderr
    prompts = sorted(
        row["prompts"]
        for path in tmp_path.rglob("*.zip")
        for (metric, _, _), table in read_zip(path).tables.items()
        if metric == "Session Analysis"
        for row in table.dicts()
    )
    assert prompts == ["child 0", "child 1", "child 2", "parent"]


HELD = """
import os, sys, threading
{setup}
entered = threading.Event()
lock = {lock}

def hold():
    with lock:
        entered.set()
        threading.Event().wait()

threading.Thread(target=hold, daemon=True).start()
entered.wait()
child = os.fork()
if child == 0:
    {call}
    os._exit(7)
print(child, flush=True)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

SPANS = """
from uuid import uuid4
from opentelemetry.sdk.trace import TracerProvider
from clearml_otel.langchain import LangChainSpanHandler
handler = LangChainSpanHandler(TracerProvider())
params = {}
"""
START = "handler.on_llm_start({}, ['q'], run_id=uuid4(), invocation_params=params, batch_size=2)"
LIVE = """
from opentelemetry.sdk.trace import TracerProvider
from clearml_otel.pipeline.live_log import LiveLog
live = LiveLog()
span = TracerProvider().get_tracer("t").start_span("s")
"""
ENDED = """
from opentelemetry.sdk.trace import TracerProvider
from clearml_otel.ended_spans import EndedSpans
ended, provider = EndedSpans(), TracerProvider()
provider.add_span_processor(ended)
provider.get_tracer("t").start_span("the parent's").end()
span = provider.get_tracer("t").start_span("the child's")
"""
CASES = {
    "diagnostics": (
        "from clearml_otel import diagnostics",
        "diagnostics._lock",
        "diagnostics.report('kind', 'line')",
    ),
    "lifecycle": (
        "from clearml_otel import lifecycle",
        "lifecycle._lock",
        "lifecycle._close_all()",
    ),
    "ownership": (
        "from clearml_otel import Settings, Tracker, ownership",
        "ownership._lock",
        "ownership.serve(Tracker(Settings(task_name='abc', offline=True)))",
    ),
    "batches": (SPANS, "handler.models.batches._lock", START),
    "ended spans": (
        ENDED,
        "ended._lock",
        "span.end(); sys.exit(1) if ended.take_lost() != 1 else 0",
    ),
    "live log": (LIVE, "live._lock", "live.on_start(span)"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_lock_held_while_forking_does_not_hang_the_child(case: str) -> None:
    """Threads of the parent may be anywhere in this package when it forks."""
    setup, lock, call = CASES[case]
    program = HELD.format(setup=setup, lock=lock, call=call)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        assert process.wait(5) == 7
    except subprocess.TimeoutExpired:
        os.kill(child, signal.SIGKILL)
        process.wait(5)
        pytest.fail(f"the child waits for ever for the lock of {case}")
