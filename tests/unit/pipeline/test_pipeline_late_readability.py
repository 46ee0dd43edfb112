"""Answers that no callback measured are measured once, however often they are published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clearml_otel.pipeline import late_readability
from clearml_otel.pipeline.late_readability import LateReadability
from clearml_otel.pipeline.pipeline import Pipeline
from clearml_otel.readability import Measurer
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord
from support.foreign_records import foreign, genai_chat
from support.scripted_transport import ScriptedTransport

LONG = 30.0


class Counting(Measurer):
    """Notes what it measures."""

    texts: list[str]

    def __call__(self, text: str) -> dict[str, float | int | str]:
        self.texts.append(text)
        return super().__call__(text)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were measured."""
    texts: list[str] = []
    monkeypatch.setattr(Counting, "texts", texts, raising=False)
    monkeypatch.setattr(late_readability, "Measurer", Counting)
    return texts


def answers(*numbers: int) -> list[SpanRecord]:
    return [genai_chat(answer=f"This is answer number {number}.") for number in numbers]


def test_a_growing_session_is_measured_once(measured: list[str]) -> None:
    spans, late = answers(1, 2, 3), LateReadability("seed")
    first = late.measured(spans[:2])
    assert late.measured(spans)[:2] == first == LateReadability("seed").measured(spans[:2])
    assert sorted(measured[:3]) == sorted(set(measured))
    assert len(measured) == 3 + 2


def test_a_span_of_which_more_is_known_is_measured_again(measured: list[str]) -> None:
    late = LateReadability("seed")
    (span,) = late.measured(answers(1))
    (open_one,) = answers(1)
    late.measured([replace(open_one, end_time_ns=None)])
    late.measured([open_one])
    assert len(measured) == 3
    assert late.measured([span]) == [span]
    assert len(measured) == 3


def test_what_is_no_answer_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[SpanRecord] = []
    really = late_readability.read_run
    monkeypatch.setattr(
        late_readability, "read_run", lambda span: (read.append(span), really(span))[1]
    )
    http, late = foreign({"http.request.method": "GET"}, scope="http"), LateReadability("seed")
    assert late.measured([http]) == late.measured([http]) == [http]
    assert read == [http]


def test_what_is_kept_is_bounded(measured: list[str]) -> None:
    spans, late = answers(*range(5)), LateReadability("seed", most_kept=3)
    assert late.measured(spans) == late.measured(spans)
    assert len(measured) == 5 + 2


def test_the_end_of_the_sessions_forgets(measured: list[str]) -> None:
    spans, late = answers(1, 2), LateReadability("seed")
    late.measured(spans)
    late.forget()
    late.measured(spans)
    assert len(measured) == 4


def test_a_pipeline_measures_once_and_forgets_at_the_end(measured: list[str]) -> None:
    pipeline = Pipeline(
        Settings(task_name="t", complexity_metrics=True, shutdown_timeout_s=LONG),
        ScriptedTransport(),
    )
    try:
        for count, span in enumerate(answers(1, 2, 3), start=1):
            pipeline.add(span)
            pipeline.publish()
            assert pipeline.wait(LONG)
            assert len(measured) == count
        pipeline.end_sessions("mine")
        assert pipeline.wait(LONG)
        assert len(measured) == 3
        assert pipeline._publisher._readability._kept == {}
    finally:
        pipeline.close()
