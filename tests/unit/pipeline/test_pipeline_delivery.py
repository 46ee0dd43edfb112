"""Jobs reach ClearML in order, are retried, replaced and given up as they should be."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from clearml_otel import diagnostics
from clearml_otel.clearml import time_left
from clearml_otel.clearml.transport import UNAUTHORIZED, Transport, TransportError
from clearml_otel.pipeline import delivery as delivery_module
from clearml_otel.pipeline.delivery import Delivery, Job, Step
from clearml_otel.pipeline.tasks import Tasks
from support.scripted_transport import ScriptedTransport, down, refused

THREAD = "clearml-otel-delivery"
LONG = 30.0


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


_made: list[Delivery] = []


def new_delivery(transport: Transport, prepare: Iterable[Step] = ()) -> Delivery:
    _made.append(Delivery(Tasks(lambda _: transport, describe=prepare)))
    return _made[-1]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)
    before = set(threads())
    yield
    for delivery in _made:
        delivery.close("completed", "", 0.0)
    _made.clear()
    for thread in set(threads()) - before:
        thread.join(LONG)
    assert set(threads()) <= before


def noting(done: list[str], name: str, then: Callable[[], None] | None = None) -> Step:
    def step(_: Transport) -> None:
        if then is not None:
            then()
        done.append(name)

    return step


def job(done: list[str], *names: str, replaces: str | None = None) -> Job:
    return Job("+".join(names), deque(noting(done, name) for name in names), replaces)


def deliver(delivery: Delivery, tries: int = 1) -> bool:
    """Wait; each wait has what is put off tried at once."""
    return any(delivery.wait(LONG) for _ in range(tries))


def finish(delivery: Delivery) -> list[Job]:
    return delivery.close("completed", "", LONG)


# -- order -------------------------------------------------------------------------------


def test_jobs_and_steps_in_order() -> None:
    done: list[str] = []
    transport = ScriptedTransport()
    delivery = new_delivery(transport, [noting(done, "prepare")])
    for names in (["a1", "a2"], ["b1"], ["c1", "c2"]):
        delivery.submit(job(done, *names))
    assert deliver(delivery)
    assert done == ["prepare", "a1", "a2", "b1", "c1", "c2"]
    assert delivery.waiting == []
    assert finish(delivery) == []
    assert transport.closed == [("completed", "")]


def test_nothing_is_opened_before_the_first_job() -> None:
    transport = ScriptedTransport()
    delivery = new_delivery(transport)
    assert delivery.wait(LONG)
    assert finish(delivery) == []
    assert transport.tried == []


def test_the_task_is_opened_once() -> None:
    done: list[str] = []
    transport = ScriptedTransport()
    delivery = new_delivery(transport, [noting(done, "prepare")])
    for name in "abc":
        delivery.submit(job(done, name))
        assert deliver(delivery)
    assert transport.tried == ["open"]
    assert done == ["prepare", "a", "b", "c"]
    finish(delivery)


def test_submitting_waits_for_nothing() -> None:
    gate = threading.Event()
    done: list[str] = []
    delivery = new_delivery(ScriptedTransport())
    delivery.submit(Job("held", deque([noting(done, "held", lambda: void(gate.wait(LONG)))])))
    delivery.submit(job(done, "next"))
    assert delivery.waiting == ["held", "next"]
    assert done == []
    gate.set()
    assert deliver(delivery)
    assert done == ["held", "next"]
    finish(delivery)


def void(_: object) -> None:
    return


def test_a_step_may_add_steps() -> None:
    done: list[str] = []
    made = Job("expanding", deque())
    made.steps.append(lambda _: made.steps.extend([noting(done, "a"), noting(done, "b")]))
    delivery = new_delivery(ScriptedTransport())
    delivery.submit(made)
    assert deliver(delivery)
    assert done == ["a", "b"]
    finish(delivery)


def test_instrumentation_is_suppressed_around_every_call() -> None:
    seen: list[bool] = []
    transport = ScriptedTransport(lambda _: seen.append(is_instrumentation_enabled()))
    delivery = new_delivery(transport)
    delivery.submit(Job("j", deque([lambda target: target.send([])])))
    assert deliver(delivery)
    finish(delivery)
    assert seen == [False] * 3  # open, send, close
    assert is_instrumentation_enabled()


# -- trouble -----------------------------------------------------------------------------


def test_transient_trouble_is_tried_again_and_nothing_twice() -> None:
    done: list[str] = []
    left = [3]

    def fail_three_times() -> None:
        if left[0]:
            left[0] -= 1
            down()

    steps = deque([noting(done, "a"), noting(done, "b", fail_three_times), noting(done, "c")])
    delivery = new_delivery(ScriptedTransport())
    delivery.submit(Job("j", steps))
    delivery.submit(job(done, "d"))
    assert deliver(delivery, tries=5)
    assert done == ["a", "b", "c", "d"]
    finish(delivery)


@pytest.mark.parametrize("transient", [True, False])
def test_a_task_that_cannot_be_opened_is_kept_and_tried_again(transient: bool) -> None:
    done: list[str] = []
    transport = ScriptedTransport(down if transient else refused)
    delivery = new_delivery(transport)
    delivery.submit(job(done, "a"))
    assert not delivery.wait(LONG)
    assert delivery.waiting == ["a"]
    transport.trouble = None
    assert deliver(delivery, tries=2)
    assert done == ["a"]
    finish(delivery)


def test_what_is_refused_for_good_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    bad = Job("the tables", deque([noting(done, "a"), noting(done, "b", refused)]))
    bad.steps.append(noting(done, "c"))
    delivery = new_delivery(ScriptedTransport())
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        delivery.submit(bad)
        delivery.submit(job(done, "d"))
        assert deliver(delivery)
    assert done == ["a", "c", "d"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "the tables" in line
    assert "the server refuses it; change it" in line
    finish(delivery)


def test_an_error_of_a_step_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def broken() -> None:
        raise ZeroDivisionError("one\ntwo")

    delivery = new_delivery(ScriptedTransport(), [noting(done, "prepare", broken)])
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        delivery.submit(job(done, "a"))
        assert deliver(delivery)
    assert done == ["a"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "ZeroDivisionError" in line
    assert "\n" not in line
    finish(delivery)


def test_one_line_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    transport = ScriptedTransport()
    delivery = new_delivery(transport)
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        for outage in (1, 2):
            transport.trouble = down
            delivery.submit(Job(f"{outage}", deque([lambda target: target.send([])])))
            for _ in range(4):
                assert not delivery.wait(LONG)
            assert len(caplog.records) == outage
            transport.trouble = None
            assert deliver(delivery, tries=2)
    assert all("start it" in record.getMessage() for record in caplog.records)
    finish(delivery)


# -- replacement -------------------------------------------------------------------------


def test_a_waiting_job_is_replaced_by_a_newer_one_of_its_key() -> None:
    done: list[str] = []
    gate = threading.Event()
    delivery = new_delivery(ScriptedTransport())
    delivery.submit(Job("held", deque([noting(done, "held", lambda: void(gate.wait(LONG)))])))
    delivery.submit(job(done, "old", replaces="key"))
    delivery.submit(job(done, "other", replaces="other key"))
    delivery.submit(job(done, "plain"))
    delivery.submit(job(done, "new", replaces="key"))
    assert delivery.waiting == ["held", "other", "plain", "new"]
    gate.set()
    assert deliver(delivery)
    assert done == ["held", "other", "plain", "new"]
    finish(delivery)


def test_a_job_replaced_while_it_is_done_ends_before_the_newer_one() -> None:
    done: list[str] = []
    entered, gate = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        gate.wait(LONG)

    delivery = new_delivery(ScriptedTransport())
    delivery.submit(Job("old", deque([noting(done, "old", hold)]), "key"))
    assert entered.wait(LONG)
    delivery.submit(job(done, "new", replaces="key"))
    gate.set()
    assert deliver(delivery)
    assert done == ["old", "new"]
    finish(delivery)


# -- waiting -----------------------------------------------------------------------------


def test_waiting_ends_when_the_time_is_up() -> None:
    gate = threading.Event()
    done: list[str] = []
    delivery = new_delivery(ScriptedTransport())
    delivery.submit(Job("held", deque([noting(done, "held", lambda: void(gate.wait(LONG)))])))
    assert not delivery.wait(0.01)
    gate.set()
    assert deliver(delivery)
    finish(delivery)


def test_waiting_ends_with_the_try_that_failed() -> None:
    delivery = new_delivery(ScriptedTransport(down))
    delivery.submit(job([], "a"))
    began = time.monotonic()
    assert not delivery.wait(LONG)
    assert time.monotonic() - began < LONG / 2
    assert delivery.close("completed", "", 0.0)


# -- the end -----------------------------------------------------------------------------


def test_closing_delivers_what_waits() -> None:
    done: list[str] = []
    transport = ScriptedTransport()
    delivery = new_delivery(transport)
    for name in "abc":
        delivery.submit(job(done, name))
    assert delivery.close("failed", "why", LONG) == []
    assert done == ["a", "b", "c"]
    assert transport.closed == [("failed", "why")]


def test_closing_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    done: list[str] = []
    transport = ScriptedTransport()
    delivery = new_delivery(transport)
    delivery.submit(job(done, "a"))
    assert delivery.close("completed", "", LONG) == []
    assert done == ["a"]
    assert transport.threads == {threading.current_thread().name}


def test_what_is_not_taken_is_given_back_and_the_task_stays_open() -> None:
    done: list[str] = []
    transport = ScriptedTransport()
    delivery = new_delivery(transport)
    delivery.submit(job(done, "a"))
    assert deliver(delivery)
    transport.trouble = down
    delivery.submit(
        Job("b", deque([noting(done, "b1"), lambda target: target.send([]), noting(done, "b3")]))
    )
    left = delivery.close("completed", "", 0.0)
    assert [each.name for each in left] == ["b"]
    assert transport.closed == []
    # what is done is done: somebody else can go on from here
    transport.trouble = None
    for each in left:
        for step in each.steps:
            step(transport)
    assert done == ["a", "b1", "b3"]


def test_waiting_without_a_thread_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a provider's `force_flush` in an exit handler."""

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    delivery = new_delivery(ScriptedTransport())
    delivery.submit(job([], "a"))
    began = time.monotonic()
    delivery.wait(2.0)
    assert time.monotonic() - began < 1.0
    assert finish(delivery) == []


class Clock:
    """Time that passes only where somebody sleeps or a call hangs."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_closing_keeps_its_deadline_while_the_server_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    transport = ScriptedTransport(down)
    delivery = new_delivery(transport)
    delivery.submit(job([], "a"))
    assert not delivery.wait(LONG)

    def hang(_: str) -> None:
        clock.now += 10.0
        down()

    transport.trouble = hang
    monkeypatch.setattr(delivery_module, "time", clock)
    assert delivery.close("completed", "", 10.0)
    # one call may outlast the deadline; none may begin after it
    assert clock.now <= 20.0


def test_closing_does_not_wait_for_a_thread_that_hangs() -> None:
    entered, gate = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        entered.set()
        gate.wait(LONG)

    delivery = new_delivery(ScriptedTransport(hold))
    delivery.submit(job([], "a"))
    assert entered.wait(LONG)
    began = time.monotonic()
    left = delivery.close("completed", "", 0.05)
    assert time.monotonic() - began < LONG / 2
    assert [each.name for each in left] == ["a"]
    gate.set()


def test_a_status_that_is_refused_is_told(caplog: pytest.LogCaptureFixture) -> None:
    transport = ScriptedTransport(lambda method: down() if method == "close" else None)
    delivery = new_delivery(transport)
    delivery.submit(job([], "a"))
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        assert finish(delivery) == []
    assert "could not be marked completed" in caplog.text


# -- quiet times -------------------------------------------------------------------------


def test_a_quiet_task_is_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_PING_EVERY_S", 0.001)
    pinged = threading.Event()
    pings: list[int] = []

    def trouble(method: str) -> None:
        if method == "ping":
            pings.append(1)
            if len(pings) > 2:
                pinged.set()
            raise TransportError("no answer", transient=True)

    delivery = new_delivery(ScriptedTransport(trouble))
    delivery.submit(job([], "a"))
    # a ping that fails is no reason to stop
    assert pinged.wait(LONG)
    finish(delivery)


def test_a_task_that_was_never_opened_is_not_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_PING_EVERY_S", 0.001)
    failed = threading.Event()

    def trouble(method: str) -> None:
        if method == "open":
            failed.set()
            down()

    transport = ScriptedTransport(trouble)
    delivery = new_delivery(transport)
    delivery.submit(job([], "a"))
    assert failed.wait(LONG)
    delivery.close("completed", "", 0.0)
    assert "ping" not in transport.tried


# -- forks -------------------------------------------------------------------------------


def test_a_child_drops_what_the_parent_delivers() -> None:
    done: list[str] = []
    gate = threading.Event()
    transport = ScriptedTransport()
    delivery = new_delivery(transport)
    delivery.submit(Job("held", deque([noting(done, "held", lambda: void(gate.wait(LONG)))])))
    delivery.after_fork()
    assert delivery.waiting == []
    assert transport.forks == 1
    gate.set()
    delivery.submit(job(done, "mine"))
    assert deliver(delivery)
    assert "mine" in done
    finish(delivery)


# -- patience ----------------------------------------------------------------------------


def test_what_the_server_asks_to_wait_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_FIRST_WAIT_S", 0.0)
    tried: list[float] = []
    failed = threading.Event()

    def busy_once(_: str) -> None:
        tried.append(time.monotonic())
        if len(tried) == 1:
            failed.set()
            raise TransportError("busy", transient=True, retry_after_s=0.4)

    done: list[str] = []
    delivery = new_delivery(ScriptedTransport(busy_once))
    delivery.submit(job(done, "a"))
    assert failed.wait(LONG)
    delivery.submit(job(done, "b"))
    while not delivery.wait(LONG):
        pass  # that try was the one that failed
    assert done == ["a", "b"]
    assert tried[1] - tried[0] >= 0.4
    finish(delivery)


def test_after_several_failures_new_jobs_hurry_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = ScriptedTransport(down)
    delivery = new_delivery(transport)
    delivery.submit(job([], "first"))
    for _ in range(delivery_module._OPEN_AFTER):
        assert not delivery.wait(LONG)
    delivery._kicked = False
    for number in range(20):
        delivery.submit(job([], str(number)))
    assert not delivery._kicked
    # an application that waits has it tried all the same
    transport.trouble = None
    assert deliver(delivery, tries=2)
    finish(delivery)


def test_bad_credentials_are_said_once_beside_other_trouble_and_tried_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = ScriptedTransport(down)
    delivery = new_delivery(transport)

    def unauthorized(_: str) -> None:
        raise TransportError("set the keys", transient=True, kind=UNAUTHORIZED)

    with caplog.at_level(logging.WARNING, "clearml_otel"):
        delivery.submit(job([], "a"))
        assert not delivery.wait(LONG)
        transport.trouble = unauthorized
        for _ in range(3):
            assert not delivery.wait(LONG)
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == 2
        assert "set the keys" in lines[1]
        assert caplog.records[1].levelno == logging.ERROR
        assert delivery._failures_in_a_row >= delivery_module._OPEN_AFTER
        transport.trouble = None
        assert deliver(delivery, tries=2)
        transport.trouble = unauthorized
        delivery.submit(Job("b", deque([lambda target: target.send([])])))
        assert not delivery.wait(LONG)
    assert len(caplog.records) == 3
    transport.trouble = None
    finish(delivery)


def test_no_step_begins_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of many quick steps must not hold up the end of the program."""
    done: list[str] = []
    clock = Clock()
    delivery = new_delivery(ScriptedTransport())
    monkeypatch.setattr(delivery, "_ensure_thread", lambda: False)
    monkeypatch.setattr(delivery_module, "time", clock)
    monkeypatch.setattr(time_left, "time", clock)

    def take_a_second() -> None:
        clock.now += 1.0

    steps = [noting(done, str(number), take_a_second) for number in range(10)]
    delivery.submit(Job("many", deque(steps)))
    (left,) = delivery.close("completed", "", 3.5)
    assert done == ["0", "1", "2", "3"]
    assert len(left.steps) == 6
    delivery._jobs.clear()
