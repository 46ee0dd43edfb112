"""The server transport in processes of their own: neighbours, exit, fork."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.clearml_double import ClearMLDouble
from support.transport_calls import ROWS, SPEC, TABLE, run_client


@pytest.fixture
def double() -> Iterator[ClearMLDouble]:
    with ClearMLDouble() as running:
        yield running


NEIGHBOUR = """
import argparse, builtins, logging, os, random, signal, sys, threading

def state():
    return {
        "excepthook": sys.excepthook,
        "exit": sys.exit,
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "import": builtins.__import__,
        "environment": dict(os.environ),
        "threads": {thread.name for thread in threading.enumerate()},
        "stdout": sys.stdout,
        "logging": [
            (name, list(log.handlers), list(log.filters), log.level)
            for name in ("root", "clearml", "requests", "urllib3", "urllib3.connectionpool")
            for log in [logging.getLogger(name)]
        ],
    }

from clearml_otel.clearml.server import ServerTransport
assert "clearml" not in sys.modules
import clearml
from support.transport_calls import SPEC, use
before = state()
parsing = argparse.ArgumentParser.parse_args
random.seed(7)
expected = random.random()
random.seed(7)
transport = ServerTransport(SPEC)
use(transport)
assert not [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
transport.close("completed")
assert random.random() == expected
after = state()
changed = [name for name in before if before[name] != after[name]]
assert changed == [], changed
assert argparse.ArgumentParser.parse_args is parsing
assert clearml.Task.current_task() is None
children = f"/proc/self/task/{os.getpid()}/children"
assert not os.path.exists(children) or open(children).read() == ""
"""


def test_it_is_a_good_neighbour(double: ClearMLDouble) -> None:
    assert run_client(double, NEIGHBOUR) == ""
    assert double.task_by_name(SPEC.task_name)["status"] == "completed"


AT_EXIT = """
import atexit
from clearml_otel.clearml.server import ServerTransport
from support.transport_calls import SPEC, use

def last():
    transport = ServerTransport(SPEC)
    use(transport)
    transport.close("completed")

atexit.register(last)
"""


def test_a_transport_can_be_opened_at_interpreter_exit(double: ClearMLDouble) -> None:
    run_client(double, AT_EXIT)
    task = double.task_by_name(SPEC.task_name)
    assert task["status"] == "completed"
    assert double.tables(task["id"])[TABLE].rows == ROWS


FORKING = """
import os
import warnings
# of Python 3.12 and later, about threads of the SDK
warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
from clearml_otel.clearml.events import table_plots
from clearml_otel.clearml.server import ServerTransport
from support.transport_calls import SPEC

transport = ServerTransport(SPEC)
transport.open()
child = os.fork()
who = "parent" if child else "child"
if not child:
    transport.after_fork()
for number in range(30):
    plots = table_plots("T", who, ["a"], [[who * 2000]], iteration=number, timestamp_ms=5)
    transport.send(list(plots))
if not child:
    transport.close("failed")
    os._exit(0)
os.waitpid(child, 0)
transport.close("completed")
"""


def test_a_forked_child_has_its_own_connection_and_leaves_the_task_open(
    double: ClearMLDouble,
) -> None:
    run_client(double, FORKING)
    task = double.task_by_name(SPEC.task_name)
    tables = double.tables(task["id"])
    assert {name: len([k for k in tables if k[1] == name]) for name in ("parent", "child")} == {
        "parent": 30,
        "child": 30,
    }
    assert task["status"] == "completed"
    statuses = [request.name for request in double.requests if "fail" in request.name]
    assert statuses == []
    assert double.rejected == []
