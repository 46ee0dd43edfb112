"""Charts and model parameters of published sessions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go
import pytest

from clearml_otel.attributes import RUN_PARENT_ID
from clearml_otel.pipeline import charts
from clearml_otel.pipeline.pipeline import Pipeline
from clearml_otel.records.summaries import ModelCall
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord
from support.run_records import call, run_record, with_attributes
from support.scripted_transport import ScriptedTransport, down

LONG = 30.0


class Pipelines:
    def __init__(self) -> None:
        self.made: list[Pipeline] = []

    def __call__(self, transport: ScriptedTransport, **settings: Any) -> Pipeline:
        self.made.append(Pipeline(Settings(task_name="a task", **settings), transport))
        return self.made[-1]


@pytest.fixture
def new() -> Iterator[Pipelines]:
    pipelines = Pipelines()
    yield pipelines
    for each in pipelines.made:
        each.close()


def model_call(prompt: str, start: int, **attributes: Any) -> SpanRecord:
    given = {"gen_ai__request__model": "m", "gen_ai__request__temperature": 0.5, **attributes}
    usage = {"gen_ai__usage__input_tokens": 7, "gen_ai__usage__output_tokens": 2}
    measured = {"readability__flesch_reading_ease": 80.5}
    return with_attributes(call(prompt, start), **given, **usage, **measured)


def flushed(pipeline: Pipeline, *spans: SpanRecord, name: str | None = "mine") -> None:
    for span in spans:
        pipeline.add(span)
    pipeline.end_sessions(name)
    assert pipeline.wait(LONG)


def test_a_session_has_charts_that_plotly_takes(new: Pipelines) -> None:
    transport = ScriptedTransport()
    root = run_record("chain", 1, 8, name="<b>root</b>")
    model = model_call("q", 2)
    model = with_attributes(model, **{RUN_PARENT_ID: root.attributes["langchain.run.id"]})
    failed = run_record("tool", 4, name="x" * 500, error__type="ValueError")
    flushed(new(transport), root, model, failed)
    found = transport.charts("mine")
    assert list(found) == ["Trace Waterfall", "Latency", "Tokens", "Readability"]
    for figure in found.values():
        go.Figure(figure)  # refuses what is no property of plotly's
    waterfall = found["Trace Waterfall"]
    bars = {trace["name"]: trace for trace in waterfall["data"]}
    assert bars.keys() == {"chain", "llm", "failed"}
    assert (bars["llm"]["base"], bars["llm"]["x"]) == ([1.0], [1.0])
    labels = waterfall["layout"]["yaxis"]["ticktext"]
    assert labels[:2] == ["&lt;b&gt;root&lt;/b&gt; · 00000000", "› Echo"]
    assert all(len(label) < 100 for label in labels)
    assert "7 input tokens" in bars["llm"]["hovertext"][0]
    assert "ValueError error" in bars["failed"]["hovertext"][0]
    assert [trace["y"] for trace in found["Tokens"]["data"]] == [[7], [2]]
    assert found["Readability"]["data"][0]["median"] == [80.5]


def test_only_what_there_is_something_of_is_drawn(new: Pipelines) -> None:
    transport = ScriptedTransport()
    flushed(new(transport), run_record("chain", 1))
    assert set(transport.charts("mine")) == {"Trace Waterfall", "Latency"}
    assert transport.scalars("mine") == {}
    assert transport.parameters == {}


def test_each_call_is_a_point(new: Pipelines) -> None:
    transport = ScriptedTransport()
    slow = with_attributes(model_call("slow", 1), langchain__end__seq=9)
    flushed(new(transport), slow, model_call("quick", 3))
    points = transport.scalars("mine")
    assert points["LLM input tokens"] == {1: 7.0, 2: 7.0}
    assert points["LLM duration (s)"] == {1: 1.0, 2: 1.0}


def test_points_are_sent_once_and_only_under_a_name_that_stays(new: Pipelines) -> None:
    transport = ScriptedTransport()
    pipeline = new(transport)
    pipeline.add(model_call("a", 1))
    pipeline.publish()
    assert pipeline.wait(LONG)
    assert transport.scalars("session") == {}
    assert "Tokens" in transport.charts("session")
    flushed(pipeline, model_call("b", 3))
    assert len(transport.scalars("mine")["LLM input tokens"]) == 2
    # what stood under the name that was not final is emptied, charts too
    assert all(not figure["data"][0]["x"] for figure in transport.charts("session").values())


def numbers(count: int, done: Sequence[str]) -> list[int]:
    """The iterations of the points sent of so many calls, ids a0, a1, …"""
    calls = [ModelCall(f"a{n}", 1.0, None, None, None) for n in range(count)]
    return [point["iter"] for point in charts.call_scalars("s", calls, done, 0)]


def test_a_session_that_grows_sends_its_new_points() -> None:
    assert numbers(4, ["a0", "a1"]) == [3, 4]
    assert numbers(2, ["a0", "a1"]) == []
    # one came late: it and those behind it have other numbers now
    assert numbers(4, ["a0", "a2", "a3"]) == [2, 3, 4]


def test_of_very_many_calls_some_are_points() -> None:
    sent = numbers(100_000, [])
    assert sent[:5_000] == list(range(1, 5_001))
    assert len(sent) == 5_000 + 9_500


def test_charts_that_cannot_be_drawn_cost_nothing_else(
    new: Pipelines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(charts, "timeline", fails)
    transport = ScriptedTransport()
    pipeline = new(transport)
    with caplog.at_level(logging.WARNING):
        flushed(pipeline, model_call("a", 1))
    assert transport.charts("mine") == {}
    assert len(transport.tables()["Runs", "mine"]) == 1
    assert "Spans - mine" in transport.artifacts
    assert "no ink" in caplog.text
    assert pipeline.waiting_spans == 0


def test_they_can_be_switched_off(new: Pipelines) -> None:
    transport = ScriptedTransport()
    flushed(new(transport, charts=False), model_call("a", 1))
    assert (transport.charts("mine"), transport.scalars("mine")) == ({}, {})
    assert ("Runs", "mine") in transport.tables()


def test_model_parameters_of_all_sessions_are_the_tasks(new: Pipelines) -> None:
    transport = ScriptedTransport()
    pipeline = new(transport)
    flushed(pipeline, model_call("a", 1), name="one")
    assert transport.parameters == {"LLM": {"model": "m", "temperature": "0.5"}}
    flushed(pipeline, model_call("b", 1), name="two")
    assert transport.calls.count("set_parameters") == 1
    flushed(pipeline, model_call("c", 1, gen_ai__request__temperature=0.0), name="three")
    assert transport.parameters["LLM"]["temperature"] == "0.0 (m), 0.5 (m)"


def test_a_server_that_is_down_gets_them_later(new: Pipelines) -> None:
    left = iter([down, down])

    def trouble(method: str) -> None:
        if method == "set_parameters":
            next(left, lambda _: None)(method)

    transport = ScriptedTransport(trouble)
    pipeline = new(transport)
    pipeline.add(model_call("a", 1))
    pipeline.end_sessions("mine")
    while not pipeline.wait(LONG):
        pass
    assert transport.parameters["LLM"]["model"] == "m"
    assert len(transport.scalars("mine")["LLM input tokens"]) == 1
