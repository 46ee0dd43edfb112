"""Nothing is lost and nothing doubled, whatever is killed, full, slow or broken in between.

Each test prints a line of figures. ``CHAOS_KILLS=50`` kills more than the few of a normal run,
``CHAOS_OUTAGE_S=60`` keeps the server down for longer.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.pipeline import spool_folder
from support.clearml_double import ClearMLDouble
from support.commands import TESTS, environment
from support.waits import assert_never_waited

PROGRAM = TESTS / "support" / "chaos_program.py"
KILLS = int(os.environ.get("CHAOS_KILLS", "10"))
OUTAGE_S = float(os.environ.get("CHAOS_OUTAGE_S", "6"))
AT_ONCE = 5
LONG = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals and forks"),
]


@pytest.fixture
def double() -> Iterator[ClearMLDouble]:
    with ClearMLDouble() as running:
        yield running


class World:
    """Processes on one spool, and what reached ClearML."""

    def __init__(self, folder: Path, double: ClearMLDouble) -> None:
        self.spool = folder / "spool"
        self.double = double
        self._folder = folder
        self._environment = environment(
            folder,
            **double.env(),
            OTEL_EXPORTER_CLEARML_SPOOL_FOLDER=str(self.spool),
            OTEL_EXPORTER_CLEARML_REQUEST_TIMEOUT_S="2",
        )
        self._environment["PYTHONPATH"] = str(TESTS)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def upload(self, at_once: int = 1) -> None:
        """Have several processes at once deliver what is left."""
        running = [self.start("-m", "clearml_otel.cli", "upload") for _ in range(at_once)]
        for process in running:
            _, errors = process.communicate(timeout=LONG)
            assert process.returncode == 0, errors

    def prompts(self) -> Counter[str]:
        """How often each prompt is in the Session Analysis tables of all tasks."""
        return Counter(
            row[1]
            for task in self.double.tasks
            for (metric, _, _), table in self.double.tables(task).items()
            if metric == "Session Analysis"
            for row in table.rows
        )


@pytest.fixture
def world(tmp_path: Path, double: ClearMLDouble) -> World:
    return World(tmp_path, double)


def kill_later(process: subprocess.Popen[str], after: float) -> list[str]:
    """The prompts that were safe when the process was killed, so long after the first of them."""
    assert process.stdout is not None
    first = process.stdout.readline()
    timer = threading.Timer(after, process.send_signal, [signal.SIGKILL])
    timer.start()
    output, _ = process.communicate(timeout=LONG)
    # the last line may be half written
    return [line for line in (first + output).rpartition("\n")[0].splitlines() if ":" in line]


def figures(capsys: pytest.CaptureFixture[str], what: str, **values: object) -> None:
    with capsys.disabled():
        text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        print(f"\nchaos: {what}: {text}")


def lost_and_doubled(world: World, safe: list[str]) -> tuple[int, int]:
    found = world.prompts()
    lost = sum(1 for prompt in safe if not found[prompt])
    return lost, sum(1 for number in found.values() if number > 1)


def test_killed_at_random_moments(
    world: World, double: ClearMLDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    """During export, assembly, delivery and publication; clearml's import alone takes a second."""
    moments = random.Random(20_260_000)
    safe: list[str] = []
    for start in range(0, KILLS, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, KILLS))
        victims = [world.start(PROGRAM, f"victim-{n}", "exporter", "0") for n in numbers]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            after = [moments.uniform(0, 6) for _ in victims]
            for said in pool.map(kill_later, victims, after):
                safe += said
        # two look for the same orphans
        world.upload(at_once=2)
    lost, doubled = lost_and_doubled(world, safe)
    figures(
        capsys,
        "SIGKILL",
        killed=KILLS,
        spans=len(safe),
        tasks=len(double.tasks),
        lost=lost,
        doubled=doubled,
    )
    assert (lost, doubled) == (0, 0)
    assert spool_folder.spools(world.spool) == []
    assert double.violations == []


FAULTS: list[dict[str, Any]] = [
    {"match": "events.add_batch", "status": 500},
    {"match": ".", "status": 401},
    {"match": "events.add_batch", "html": True},
    {"match": "events.add_batch", "reset": True},
    {"match": "events.add_batch", "short_added": 1},
    {"match": "events.add_batch|files", "hang": 1.0},
    {"match": "files", "status": 503},
]


def test_a_server_that_fails_in_every_way_in_turn(
    world: World, double: ClearMLDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    process = world.start(PROGRAM, "faulty", "processor", "6000")
    double.wait_for(lambda: double.tasks, LONG)
    ended = threading.Event()

    def break_it() -> None:
        number = 0
        while not ended.wait(0.3):
            double.recover()
            double.fail(**FAULTS[number % len(FAULTS)])
            number += 1
            if number % 10 == 0:
                double.recover()
                with double.down():
                    ended.wait(0.5)
        double.recover()

    breaker = threading.Thread(target=break_it)
    breaker.start()
    timer = threading.Timer(12.0, ended.set)
    timer.start()
    output, errors = process.communicate(timeout=LONG)
    ended.set()
    timer.cancel()
    breaker.join()
    world.upload()
    lost, doubled = lost_and_doubled(world, [f"faulty:{number}" for number in range(6_000)])
    waits = waits_in(output)
    figures(capsys, "faults", spans=6_000, lost=lost, doubled=doubled, ms_a_span=waits)
    assert process.returncode == 0, errors
    assert (lost, doubled) == (0, 0)
    assert "Traceback" not in errors
    assert_never_waited(waits)


def waits_in(output: str) -> dict[str, float]:
    """The milliseconds of calls into us that a program has printed."""
    (line,) = [line for line in output.splitlines() if line.startswith("waits ")]
    return json.loads(line.removeprefix("waits "))


def test_a_server_that_is_down_for_long(
    world: World, double: ClearMLDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    """Down at its first call, up again later: the process goes on all the while."""
    spans = round(OUTAGE_S * 500)
    with double.down():
        process = world.start(PROGRAM, "outage", "processor", str(spans))
        ended = threading.Event()
        ended.wait(OUTAGE_S)
    output, errors = process.communicate(timeout=LONG + OUTAGE_S)
    assert process.returncode == 0, errors
    world.upload()
    lost, doubled = lost_and_doubled(world, [f"outage:{number}" for number in range(spans)])
    waits = waits_in(output)
    figures(
        capsys,
        "outage",
        seconds=OUTAGE_S,
        spans=spans,
        lost=lost,
        doubled=doubled,
        ms_a_span=waits,
        tasks=len(double.tasks),
    )
    assert (lost, doubled, len(double.tasks)) == (0, 0, 1)
    # told once, not at every retry
    assert errors.count("not yet in ClearML") == 1
    assert_never_waited(waits)


@pytest.mark.parametrize("down", [False, True])
def test_a_disk_that_is_full(
    world: World, double: ClearMLDouble, capsys: pytest.CaptureFixture[str], down: bool
) -> None:
    """Spans are kept in memory then, and the process delivers them itself."""
    spans = 3_000
    if down:
        with double.down():
            process = world.start(PROGRAM, "full", "full", str(spans))
            threading.Event().wait(3)
    else:
        process = world.start(PROGRAM, "full", "full", str(spans))
    output, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0, errors
    wanted = [f"full:{number}" for number in range(spans)]
    assert lost_and_doubled(world, wanted) == (0, 0)
    world.upload()
    lost, doubled = lost_and_doubled(world, wanted)
    waits = waits_in(output)
    what = "full disk, server down" if down else "full disk"
    figures(capsys, what, spans=spans, lost=lost, doubled=doubled, ms_a_span=waits)
    assert (lost, doubled) == (0, 0)
    assert errors.count("cannot be kept on disk") == 1
    assert "LOST" not in errors
    assert spool_folder.spools(world.spool) == []
    assert_never_waited(waits)


def test_forked_while_exporting(
    world: World, double: ClearMLDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    process = world.start(PROGRAM, "prefork", "fork", "500")
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0, errors
    world.upload()
    wanted = [f"prefork-{who}:{n}" for who in ("parent", 0, 1, 2, 3) for n in range(500)]
    lost, doubled = lost_and_doubled(world, wanted)
    figures(capsys, "prefork", processes=5, spans=len(wanted), lost=lost, doubled=doubled)
    assert (lost, doubled) == (0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_spool_cut_off_at_a_random_byte(
    world: World, double: ClearMLDouble, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """What was cut off is gone, and that is said; what is left is published, once."""
    victim = world.start(PROGRAM, "cut", "exporter", "0")
    safe = kill_later(victim, 0.5)
    cut = random.Random(seed)
    for path in world.spool.iterdir():
        if path.suffix != ".lock":
            data = path.read_bytes()
            path.write_bytes(data[: cut.randrange(len(data) + 1)])
    process = world.start("-m", "clearml_otel.cli", "upload")
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    lost, doubled = lost_and_doubled(world, safe)
    figures(capsys, "truncated", spans=len(safe), left=len(safe) - lost, doubled=doubled)
    assert doubled == 0
    assert spool_folder.spools(world.spool) == []
