"""``Measurer`` and the application's own metrics."""

from __future__ import annotations

import enum
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clearml_otel import diagnostics
from clearml_otel.readability import (
    ENGINES,
    METRICS,
    Measurer,
    engine_version,
    measure,
    register,
    unregister,
)

TEXT = "So it is, said the fish. It is a wall!"
OWN = ("own_length", "own_words", "own_kind")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    for name in OWN:
        unregister(name)
        diagnostics.forget(f"readability.metric.{name}")


def test_gives_what_measure_gives() -> None:
    measurer = Measurer()
    assert repr(measurer(TEXT)) == repr(measure(TEXT))
    assert measurer.engine == "seed"
    assert measurer.version == engine_version()
    measurer.warm_up()
    assert measurer("") == measure("")


def test_unknown_engine_is_refused_at_once() -> None:
    assert ENGINES == ("seed", "textstat")
    with pytest.raises(ValueError, match="unknown readability engine 'flesch'"):
        Measurer("flesch")


def test_only_str_is_measured() -> None:
    text: Any = b"bytes"
    with pytest.raises(TypeError, match="text must be a str, not bytes"):
        Measurer()(text)


def test_registered_metrics_follow_in_their_order() -> None:
    measurer = Measurer()
    register("own_words", lambda text: len(text.split()))
    register("own_kind", lambda _: "prose")
    register("own_length", lambda text: len(text) / 2)
    metrics = measurer(TEXT)
    assert tuple(metrics) == (*METRICS, "own_words", "own_kind", "own_length")
    assert [metrics[name] for name in ("own_words", "own_kind", "own_length")] == [
        10,
        "prose",
        19.0,
    ]
    assert tuple(measure(TEXT)) == METRICS
    register("own_kind", lambda _: "verse")
    assert list(measurer(TEXT).items())[-2] == ("own_kind", "verse")
    unregister("own_kind")
    unregister("own_kind")
    assert tuple(measurer(TEXT)) == (*METRICS, "own_words", "own_length")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1st",
        "a b",
        "a-b",
        "a.b",
        "é",
        "x" * 65,
        "a\n",
        "flesch_reading_ease",
        "osman",
        "engine",
    ],
)
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a metric cannot be called"):
        register(name, len)
    assert tuple(Measurer()(TEXT)) == METRICS


def test_what_cannot_be_called_is_refused() -> None:
    function: Any = 1.5
    with pytest.raises(TypeError, match="'own_length' needs a function, not float"):
        register("own_length", function)


def raises(_: str) -> float:
    raise LookupError("nothing of the kind")


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (raises, "raised LookupError: nothing of the kind"),
        (lambda _: None, "gave a NoneType"),
        (lambda _: [1], "gave a list"),
    ],
)
def test_a_failing_metric_costs_itself_only(
    function: Callable[[str], Any], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    register("own_length", function)
    register("own_words", lambda text: len(text.split()))
    measurer = Measurer()
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        results = [measurer(TEXT) for _ in range(3)]
    assert results == [{**measure(TEXT), "own_words": 10}] * 3
    (record,) = caplog.records
    assert "'own_length'" in record.getMessage()
    assert problem in record.getMessage()


def test_a_new_function_is_reported_anew(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        for _ in range(2):
            register("own_length", raises)
            Measurer()(TEXT)
    assert len(caplog.records) == 2


def test_values_are_plain() -> None:
    class Grade(enum.IntEnum):
        FIRST = 1

    class Real(float):
        __slots__ = ()

    register("own_length", lambda _: Real(1.5))
    register("own_words", lambda _: Grade.FIRST)
    metrics = Measurer()(TEXT)
    assert [(type(metrics[name]), metrics[name]) for name in ("own_length", "own_words")] == [
        (float, 1.5),
        (int, 1),
    ]


def test_metrics_are_given_the_plain_text() -> None:
    class Message(str):
        __slots__ = ()

    seen: list[str] = []
    register("own_length", lambda text: len(seen) if seen.append(text) else 0)
    Measurer()(Message(TEXT))
    assert [type(text) for text in seen] == [str]


def test_registering_while_others_measure() -> None:
    measurer = Measurer()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    stop = threading.Event()

    def keep_registering(name: str) -> None:
        while not stop.is_set():
            register(name, len)
            unregister(name)
        register(name, len)

    try:
        with ThreadPoolExecutor(4) as pool:
            registering = [pool.submit(keep_registering, name) for name in OWN]
            results = [measurer(TEXT) for _ in range(300)]
            stop.set()
            for future in registering:
                future.result()
    finally:
        stop.set()
        sys.setswitchinterval(interval)
    expected = measure(TEXT)
    for result in results:
        assert {name: result.pop(name, len(TEXT)) for name in OWN} == dict.fromkeys(OWN, len(TEXT))
        assert result == expected
    # no registration was lost
    assert set(measurer(TEXT)) == {*METRICS, *OWN}
