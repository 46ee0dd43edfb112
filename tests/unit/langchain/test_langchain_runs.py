"""The map of open runs, batch groups and sequence numbers."""

from __future__ import annotations

import os
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableLambda
from opentelemetry.trace import INVALID_SPAN

from clearml_otel.langchain import runs as runs_module
from clearml_otel.langchain.batches import BatchTracker
from clearml_otel.langchain.descriptions import uuid_text
from clearml_otel.langchain.runs import OpenRun, OpenRuns
from clearml_otel.langchain.sequence import next_seq, position
from support.scripted_models import ScriptedLLM
from support.traced import traced


def run(started_s: float = 0.0) -> OpenRun:
    return OpenRun(INVALID_SPAN, "chain", {}, started_s)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(runs_module, "time", clock)
    return clock


def test_the_oldest_go_where_there_are_too_many(clock: Clock) -> None:
    out: list[OpenRun] = []
    runs = OpenRuns(out.append, most=3)
    added = [run() for _ in range(10)]
    for number, each in enumerate(added):
        runs.add(UUID(int=number), each)
    assert len(runs) == 3
    assert out == added[:7]
    assert runs.get(UUID(int=9)) is added[9]
    assert runs.get(UUID(int=0)) is None


def test_the_aged_go_when_room_is_looked_for(clock: Clock) -> None:
    out: list[OpenRun] = []
    runs = OpenRuns(out.append, longest_s=10.0)
    old, young = run(0.0), run(8.0)
    runs.add(UUID(int=1), old)
    clock.now = 8.0
    runs.add(UUID(int=2), young)
    assert out == []
    clock.now = 11.0
    runs.add(UUID(int=3), run(11.0))
    assert out == [old]


def test_ended_runs_are_forgotten() -> None:
    runs = OpenRuns(lambda _: None)
    each = run()
    runs.add(UUID(int=1), each)
    assert runs.pop(UUID(int=1)) is each
    assert runs.pop(UUID(int=1)) is None
    assert runs.get(None) is None
    assert len(runs) == 0


def test_all_are_taken_out_at_the_end() -> None:
    runs = OpenRuns(lambda _: None)
    each = run(1e12)
    runs.add(UUID(int=1), each)
    assert runs.take_all() == [each]
    assert len(runs) == 0


def test_missing_ends_are_bounded_and_reported(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module.OpenRuns.__init__, "__defaults__", (100, 1e9))
    made = traced()
    for _ in range(2_000):
        made.handler.on_chain_start(None, "never answered", run_id=uuid4())
    assert len(made.handler.spans) == 100
    assert len(made.spans) == 1_900
    (line,) = [record.getMessage() for record in caplog.records]
    assert "end callbacks never came" in line
    made.handler.spans.close()
    runs = made.tables.runs
    status = runs.columns.index("status")
    assert [row[status] for row in runs.rows] == ["unfinished"] * 2_000


def test_an_abandoned_run_may_look_at_the_map() -> None:
    # a span processor may do anything
    seen: list[int] = []
    runs = OpenRuns(lambda _: seen.append(len(runs)), most=1)
    runs.add(UUID(int=1), run(1e12))
    runs.add(UUID(int=2), run(1e12))
    assert seen == [1]


def test_ten_thousand_runs_leave_nothing() -> None:
    made = traced()
    chain = RunnableLambda(lambda x: x)
    for number in range(1_000):
        chain.invoke(number, made.config)
    assert len(made.handler.spans) == 0
    assert len(made.spans) == 1_000


# -- batches -----------------------------------------------------------------------------


def test_members_of_a_call_share_an_id() -> None:
    batches = BatchTracker()
    params: dict[str, Any] = {}
    members = [batches.join(params, 3) for _ in range(3)]
    assert len({member.batch_id for member in members if member}) == 1
    assert [member.index for member in members if member] == [0, 1, 2]
    # the same parameters object in a later call is another call
    later = batches.join(params, 3)
    assert later
    assert members[0]
    assert later.batch_id != members[0].batch_id


def test_calls_of_one_prompt_are_no_batch() -> None:
    batches = BatchTracker()
    assert batches.join({}, 1) is None
    assert batches.join(None, 6) is None


def test_calls_that_never_complete_are_bounded() -> None:
    batches = BatchTracker()
    for _ in range(5_000):
        batches.join({}, 2)
    assert len(batches._open) <= 1_000


def test_generate_calls_of_many_threads_do_not_mix() -> None:
    made = traced()
    llm = ScriptedLLM()
    barrier = threading.Barrier(8)

    def call(number: int) -> None:
        barrier.wait()
        for turn in range(5):
            prompts = [f"{number}.{turn}.{each}" for each in range(3)]
            llm.generate(prompts, callbacks=[made.handler])

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = made.tables.records
    assert len(rows) == 8 * 5 * 3 * 2
    steps: dict[Any, list[Any]] = {}
    for row in rows:
        steps.setdefault(row["step"], []).append(row.get("prompts") or row.get("text"))
    assert sorted(steps) == list(range(1, 81))
    for members in steps.values():
        calls = {str(member).removeprefix("echo ").rpartition(".")[0] for member in members}
        assert len(calls) == 1
        assert [str(member)[-1] for member in members] == ["0", "1", "2"]


def test_threads_add_and_take_out_without_a_lock() -> None:
    out: list[OpenRun] = []
    runs = OpenRuns(out.append, most=20)
    taken: list[OpenRun | None] = []

    def work(first: int) -> None:
        for number in range(first, first + 2_000):
            runs.add(UUID(int=number), run(1e12))
            if number % 3:
                taken.append(runs.pop(UUID(int=number)))

    threads = [threading.Thread(target=work, args=(each * 10_000,)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = runs.take_all()
    found = [*out, *left, *(each for each in taken if each is not None)]
    # each run once: put out, taken out or left
    assert len({id(each) for each in found}) == len(found) == 16_000


@given(st.uuids())
def test_a_runs_id_is_told_as_text(run_id: UUID) -> None:
    assert uuid_text(run_id) == str(run_id)


# -- sequence ----------------------------------------------------------------------------


def test_numbers_are_unique_and_rising_from_any_thread() -> None:
    found: list[list[int]] = []

    def count() -> None:
        found.append([next_seq() for _ in range(2_000)])

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(numbers == sorted(numbers) for numbers in found)
    assert len({number for numbers in found for number in numbers}) == 16_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_another_process() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, position(0).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() != position(0)
    os.close(reader)
    os.close(writer)
