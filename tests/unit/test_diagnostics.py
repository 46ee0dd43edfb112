"""One log line per kind of problem."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from clearml_otel import diagnostics
from clearml_otel.diagnostics import forget, occurrences, report


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for kind in occurrences():
        forget(kind)
    return


def test_a_kind_is_written_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "clearml_otel"):
        assert report("kind", "first")
        assert not report("kind", "second")
        assert report("other", "third")
    assert [record.getMessage() for record in caplog.records] == ["first", "third"]
    assert occurrences() == {"kind": 2, "other": 1}


def test_repetitions_are_in_the_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "clearml_otel"):
        for _ in range(3):
            report("kind", "message")
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "DEBUG"]
    assert caplog.records[-1].getMessage() == "message (time 3)"


def test_after_a_recovery_it_is_written_again(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "clearml_otel"):
        report("kind", "first")
        forget("kind")
        assert report("kind", "second")
        forget("never seen")
    assert len(caplog.records) == 2


def test_levels(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "clearml_otel"):
        report("kind", "message", level=logging.ERROR)
    assert caplog.records[0].levelno == logging.ERROR


def test_secrets_in_somebody_elses_error_are_hidden(caplog: pytest.LogCaptureFixture) -> None:
    said = "no route to https://me:hunter2@proxy.example; Authorization: Bearer abcdef1234567890"
    with caplog.at_level(logging.DEBUG, "clearml_otel"):
        report("kind", said)
        report("kind", said)
    assert caplog.text.count("no route to https://") == 2
    assert "hunter2" not in caplog.text
    assert "abcdef1234567890" not in caplog.text


def test_tracebacks_are_in_the_debug_log_only(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        try:
            raise ValueError("boom")
        except ValueError:
            report("kind", "it failed", exc_info=True)

    with caplog.at_level(logging.INFO, "clearml_otel"):
        fail()
    assert "Traceback" not in caplog.text
    forget("kind")
    with caplog.at_level(logging.DEBUG, "clearml_otel"):
        fail()
    assert "ValueError: boom" in caplog.text


def test_messages_are_no_format_strings(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "clearml_otel"):
        report("kind", "100% of %s and {this}")
    assert caplog.records[0].getMessage() == "100% of %s and {this}"


def test_of_many_threads_one_writes(caplog: pytest.LogCaptureFixture) -> None:
    barrier = threading.Barrier(8)
    written: list[bool] = []

    def meet() -> None:
        barrier.wait()
        written.extend(report("kind", "message") for _ in range(50))

    threads = [threading.Thread(target=meet) for _ in range(8)]
    with caplog.at_level(logging.INFO, "clearml_otel"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(written) == 1
    assert occurrences() == {"kind": 400}


def test_the_counts_are_a_copy() -> None:
    report("kind", "message")
    occurrences().clear()
    assert occurrences() == {"kind": 1}


def test_it_leaves_logging_as_it_is() -> None:
    assert diagnostics.logger.handlers == []
    assert diagnostics.logger.level == logging.NOTSET
    assert diagnostics.logger.propagate


def test_nothing_goes_to_stdout() -> None:
    program = "from clearml_otel.diagnostics import report; report('kind', 'what is wrong')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == ""
    assert done.stderr == "what is wrong\n"
