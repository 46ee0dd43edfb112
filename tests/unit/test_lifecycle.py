"""The end of the process: everything open is closed, whatever happens to one of them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from clearml_otel import lifecycle


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    # what other tests of this process have open is not to be closed by these
    monkeypatch.setattr(lifecycle, "_open", {})
    monkeypatch.setattr(lifecycle, "_last", {})


class Thing:
    def __init__(self, log: list[str], name: str, error: Exception | None = None) -> None:
        self.log, self.name, self.error = log, name, error

    def close(self) -> None:
        self.log.append(f"close {self.name}")
        if self.error is not None:
            raise self.error

    def after_fork(self) -> None:
        self.log.append(f"fork {self.name}")
        if self.error is not None:
            raise self.error


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def things(log: list[str]) -> Iterator[list[Thing]]:
    made = [
        Thing(log, "a", ValueError("one")),
        Thing(log, "b"),
        Thing(log, "c", RuntimeError("two")),
        Thing(log, "d"),
    ]
    for thing in made:
        lifecycle.register(thing)
    yield made
    for thing in made:
        lifecycle.unregister(thing)


def closed_of(log: list[str]) -> set[str]:
    return {line.removeprefix("close ") for line in log}


def test_one_that_fails_keeps_none_from_being_closed(things: list[Thing], log: list[str]) -> None:
    lifecycle._close_all()
    assert closed_of(log) >= {"a", "b", "c", "d"}


def test_one_that_fails_keeps_none_from_hearing_of_a_fork(
    things: list[Thing], log: list[str]
) -> None:
    lifecycle._after_fork()
    assert {line for line in log if line.startswith("fork")} >= {f"fork {name}" for name in "abcd"}


def test_what_was_closed_is_not_closed_again(things: list[Thing], log: list[str]) -> None:
    for thing in things:
        lifecycle.unregister(thing)
        lifecycle.unregister(thing)
    lifecycle._close_all()
    assert log == []


def test_closing_may_unregister(log: list[str]) -> None:
    class Own(Thing):
        def close(self) -> None:
            super().close()
            lifecycle.unregister(self)

    lifecycle.register(Own(log, "x"))
    lifecycle._close_all()
    lifecycle._close_all()
    assert log == ["close x"]


# -- why the program ends ----------------------------------------------------------------


@pytest.fixture
def no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "ps1", raising=False)
    monkeypatch.delattr(sys, "last_value", raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)


@pytest.mark.usefixtures("no_notebook")
def test_an_uncaught_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lifecycle.uncaught_exception() is None
    error = ValueError("boom")
    monkeypatch.setattr(sys, "last_value", error, raising=False)
    assert lifecycle.uncaught_exception() is error


@pytest.mark.usefixtures("no_notebook")
def test_a_failed_cell_of_a_notebook_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "last_value", ValueError("boom"), raising=False)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert lifecycle.uncaught_exception() is None
    monkeypatch.delattr(sys, "ps1")
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert lifecycle.uncaught_exception() is None


PROGRAM = """
import atexit, sys
import clearml_otel
from clearml_otel import lifecycle

class Thing:
    def close(self):
        print("closed", type(lifecycle.uncaught_exception()).__name__, flush=True)
    def after_fork(self):
        pass

# an application's own exit handler, registered after the import, comes first
atexit.register(print, "application", flush=True)
thing = Thing()
lifecycle.register(thing)
{ending}
"""


@pytest.mark.parametrize(
    ("ending", "status", "told"),
    [
        ("", 0, "NoneType"),
        ("sys.exit(3)", 3, "NoneType"),
        ("raise ValueError('boom')", 1, "ValueError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -2, "KeyboardInterrupt"),
    ],
)
def test_ends_of_real_programs(ending: str, status: int, told: str) -> None:
    if "kill" in ending and os.name == "nt":
        pytest.skip("no signals")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM.format(ending=ending))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["application", f"closed {told}"]
    assert done.returncode in {status, 128 - status}
