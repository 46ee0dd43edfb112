"""Offline sessions of processes that are killed, forked or out of disk space."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from clearml_otel.clearml.sessions import read_session

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from clearml_otel.clearml.events import table_plots
from clearml_otel.clearml.offline import OfflineTransport
from clearml_otel.clearml.transport import TaskSpec, TransportError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
transport = OfflineTransport(TaskSpec("demo", "task"), folder=Path(sys.argv[1]))
small = list(table_plots("T", "small", ["a"], [["x"]], timestamp_ms=5))
large = list(table_plots("T", "large", ["a"], [["x" * 100_000]], timestamp_ms=5))
transport.send(small)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
try:
    transport.send(large)
except TransportError as error:
    print(error.transient, error)
transport.send(small)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
transport.send(large)
print(transport.location)
"""


def test_a_write_that_did_not_fit_leaves_the_file_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    error, location = done.stdout.splitlines()
    assert "cannot write the offline session" in error
    session = read_session(Path(location))
    assert session.notes == ()
    assert [event["variant"] for event in session.events] == ["small", "small", "large"]


KILLED = """
import os, signal, sys
from pathlib import Path
from clearml_otel.clearml.events import console, table_plots
from clearml_otel.clearml.offline import OfflineTransport
from clearml_otel.clearml.transport import Artifact, TaskSpec
transport = OfflineTransport(TaskSpec("demo", "task"), folder=Path(sys.argv[1]))
for number in range(20):
    transport.send(
        [
            *table_plots("T", "v", ["a"], [["x" * 50_000]], iteration=number, timestamp_ms=5),
            *console([f"line {number}"], timestamp_ms=5),
        ]
    )
transport.upload_artifact(Artifact("a", "a.txt", b"data", "text/plain"))
print(transport.location, "clearml" in sys.modules, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL
    location, imported = done.stdout.split()
    assert imported == "False"
    session = read_session(Path(location))
    assert len(session.tables()) == 20
    assert session.console() == [f"line {number}" for number in range(20)]
    assert session.task["status"] == "in_progress"
    assert session.task["execution"]["artifacts"][0]["key"] == "a"


FORKED = """
import os, sys
from pathlib import Path
from clearml_otel.clearml.events import table_plots
from clearml_otel.clearml.offline import OfflineTransport
from clearml_otel.clearml.transport import Artifact, TaskSpec
transport = OfflineTransport(TaskSpec("demo", "task"), folder=Path(sys.argv[1]))
transport.open()
child = os.fork()
who = "parent" if child else "child"
if not child:
    transport.after_fork()
for number in range(100):
    plots = table_plots("T", who, ["a"], [[who * 2_000]], iteration=number, timestamp_ms=5)
    transport.send(list(plots))
    transport.upload_artifact(Artifact(f"{who} {number % 10}", "a.txt", b"data", "text/plain"))
if not child:
    transport.close("failed", "the child's")
    assert not transport.location.endswith(".zip")
    os._exit(0)
os.waitpid(child, 0)
transport.close("completed")
print(transport.location)
"""


def test_a_forked_child_writes_into_the_session_and_leaves_it_open(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    session = read_session(Path(done.stdout.strip()))
    assert session.task["status"] == "completed"
    assert len(session.tables()) == 200
    assert len(session.task["execution"]["artifacts"]) == 20
