"""displaCy pages of a session: which, where, how often; and what happens where they can't be."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.clearml.transport import TransportError
from clearml_otel.pipeline import orphans, visuals
from clearml_otel.pipeline.pipeline import Pipeline
from clearml_otel.readability.displacy import Pages, Visualizer, VisualizerError
from clearml_otel.settings import Settings
from clearml_otel.spans import SpanRecord
from support.run_records import answered, asked, run_record
from support.scripted_transport import ScriptedTransport, down

LONG = 60.0
SKIPPED = "displaCy pages were skipped: "


class Drawn:
    """Stands for the visualizer, which has tests of its own: says which texts it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        self.threads: set[str] = set()
        self.error: Exception | None = None
        self.fails_on = ""
        self.model = "en_core_web_sm"
        self.max_words = 0
        monkeypatch.setattr(visuals, "_visualizer", lambda model, process: self)

    def pages(self, text: str, max_words: int) -> Pages:
        self.texts.append(text)
        self.max_words = max_words
        self.threads.add(threading.current_thread().name)
        if self.error is not None and (not self.fails_on or text == self.fails_on):
            raise self.error
        return Pages(f"dependencies of {text}", f"entities of {text}")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    return Drawn(monkeypatch)


_made: list[Pipeline] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    for pipeline in _made:
        pipeline.transport.trouble = None
        pipeline.close()
    _made.clear()


def new(transport: ScriptedTransport | None = None, **settings: Any) -> Pipeline:
    given = {"task_name": "a task", "visualize": True, "shutdown_timeout_s": LONG, **settings}
    _made.append(Pipeline(Settings(**given), transport or ScriptedTransport()))
    return _made[-1]


def publish(pipeline: Pipeline, *spans: SpanRecord, name: str | None = None) -> ScriptedTransport:
    for span in spans:
        pipeline.add(span)
    pipeline.end_sessions(name)
    assert pipeline.wait(LONG)
    transport = pipeline.transport
    assert isinstance(transport, ScriptedTransport)
    return transport


def said(text: str, seq: int, end: int | None = None, **more: Any) -> SpanRecord:
    """A call that gives this answer, two callbacks from number `seq` on unless its end is given."""
    return run_record(
        "llm",
        seq,
        end,
        gen_ai__input__messages=asked("?"),
        gen_ai__output__messages=answered(text),
        **more,
    )


def places(transport: ScriptedTransport) -> list[tuple[str, str, int, str]]:
    return [
        (item.title, item.series, item.iteration, item.data.decode()) for item in transport.media
    ]


def test_two_pages_an_answer_under_short_names(drawn: Drawn) -> None:
    transport = publish(new(), said("first", 1), said("second", 3), name="a session")
    assert places(transport) == [
        ("Dependencies Plot", "a session step 2", 2, "dependencies of first"),
        ("Entities Plot", "a session step 2", 2, "entities of first"),
        ("Dependencies Plot", "a session step 4", 4, "dependencies of second"),
        ("Entities Plot", "a session step 4", 4, "entities of second"),
    ]
    assert [item.file_name for item in transport.media[:2]] == [
        "dependencies-step-2.html",
        "entities-step-2.html",
    ]
    assert {item.content_type for item in transport.media} == {"text/html; charset=utf-8"}


def test_answers_of_one_step_are_numbered_as_their_rows(drawn: Drawn) -> None:
    batch = {"langchain__batch__id": "b", "langchain__batch__size": 3}
    spans = [
        said(text, number, end, langchain__batch__index=index, **batch)
        for index, (text, number, end) in enumerate([("a", 1, 4), ("a", 2, 5), ("c", 3, 6)])
    ]
    transport = publish(new(), *spans)
    assert drawn.texts == ["a", "c"]
    assert [item.series for item in transport.media[::2]] == [
        "session step 2.1",
        "session step 2.3",
    ]
    assert {item.iteration for item in transport.media} == {2}


def test_equal_and_blank_answers_and_other_runs_make_no_pages(drawn: Drawn) -> None:
    spans = [
        said("same", 1),
        said("same", 3),
        said(" \n", 5),
        said("", 7),
        run_record("chain", 9, output__value="a chain's"),
        run_record("tool", 11),
        run_record("llm", 13, error__type="ValueError"),
    ]
    transport = publish(new(), *spans)
    assert drawn.texts == ["same"]
    assert len(transport.media) == 2


def test_off_by_default(drawn: Drawn) -> None:
    transport = publish(new(visualize=False), said("a", 1))
    assert (drawn.texts, transport.media) == ([], [])
    assert Settings().visualize is False


def test_pages_are_made_after_the_tables_and_in_the_deliverys_thread(drawn: Drawn) -> None:
    transport = publish(new(), said("a", 1))
    assert drawn.threads == {"clearml-otel-delivery"}
    assert "upload_media" not in transport.calls[:-2]
    assert transport.calls[-2:] == ["upload_media", "upload_media"]


def test_what_an_open_session_showed_before_is_not_drawn_again(drawn: Drawn) -> None:
    pipeline = new()
    pipeline.add(said("a", 1))
    pipeline.publish()
    assert pipeline.wait(LONG)
    pipeline.add(said("b", 3))
    pipeline.publish()
    assert pipeline.wait(LONG)
    transport = publish(pipeline)
    assert drawn.texts == ["a", "b"]
    assert [item.iteration for item in transport.media] == [2, 2, 4, 4]
    # of a new session each text is new
    publish(pipeline, said("a", 5))
    assert drawn.texts == ["a", "b", "a"]
    assert [item.series for item in transport.media[4:]] == ["session (2) step 2"] * 2


def test_a_page_is_drawn_once_however_often_it_is_sent(drawn: Drawn) -> None:
    failing = iter([None, down, down])

    def trouble(method: str) -> None:
        if method == "upload_media" and (fail := next(failing, None)) is not None:
            fail()

    pipeline = new(ScriptedTransport(trouble))
    pipeline.add(said("a", 1))
    pipeline.end_sessions()
    while not pipeline.wait(LONG):
        pass
    transport = pipeline.transport
    assert isinstance(transport, ScriptedTransport)
    assert drawn.texts == ["a"]
    assert {item.title for item in transport.media} == {"Dependencies Plot", "Entities Plot"}
    assert transport.tried.count("upload_media") == 5


def test_a_text_that_fails_costs_its_own_pages(
    drawn: Drawn, caplog: pytest.LogCaptureFixture
) -> None:
    drawn.error, drawn.fails_on = ZeroDivisionError("in\nthe model"), "bad"
    transport = publish(new(), said("good", 1), said("bad", 3), said("fine", 5))
    assert [item.iteration for item in transport.media] == [2, 2, 6, 6]
    assert len(transport.tables()["Session Analysis", "session"]) == 3
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "pages of 'session step 4' could not be made (ZeroDivisionError" in record.message


def test_a_page_that_clearml_refuses_costs_itself(
    drawn: Drawn, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = iter([True])

    def trouble(method: str) -> None:
        if method == "upload_media" and next(refusals, False):
            raise TransportError("the files server refuses it; change it", transient=False)

    transport = publish(new(ScriptedTransport(trouble)), said("a", 1), said("b", 3))
    assert [item.iteration for item in transport.media] == [4, 4]
    assert "the files server refuses it" in caplog.text


def test_without_a_model_there_is_one_warning_and_a_note_in_each_session(
    drawn: Drawn, caplog: pytest.LogCaptureFixture
) -> None:
    drawn.error = VisualizerError("no model; install one with: a command")
    pipeline = new()
    publish(pipeline, said("a", 1), said("b", 3), name="one")
    transport = publish(pipeline, said("c", 5), name="two")
    publish(pipeline, run_record("tool", 7), name="without answers")
    note = f"{SKIPPED}no model; install one with: a command"
    assert {k: v for k, v in transport.configuration.items() if "displaCy" in k} == {
        "displaCy - one": note,
        "displaCy - two": note,
    }
    assert drawn.texts == ["a", "c"], "the rest of a session is not tried"
    assert transport.media == []
    assert transport.series() == ["one", "two", "without answers"]
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.message == f"{note} (the tables are unaffected)"


def test_another_model_than_the_settings_name_is_reported(
    drawn: Drawn, caplog: pytest.LogCaptureFixture
) -> None:
    publish(new(visualize_model="en_core_web_lg"), said("a", 1), said("b", 3))
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "visualize_model='en_core_web_lg' cannot be loaded" in record.message
    assert "made with en_core_web_sm" in record.message


def test_the_settings_say_how_many_words_are_drawn(drawn: Drawn) -> None:
    publish(new(), said("a", 1))
    assert drawn.max_words == 500
    publish(new(visualize_max_words=20), said("b", 3))
    assert drawn.max_words == 20


def test_the_end_of_the_program_does_not_wait_for_all_pages(
    drawn: Drawn, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = new(shutdown_timeout_s=0.0)
    sending, closing = threading.Event(), threading.Event()
    transport = pipeline.transport
    assert isinstance(transport, ScriptedTransport)

    def trouble(method: str) -> None:
        if method == "upload_media" and not sending.is_set():
            sending.set()
            assert closing.wait(LONG)

    transport.trouble = trouble
    for number in range(20):
        pipeline.add(said(f"text {number}", 1 + 2 * number))
    pipeline.end_sessions()
    assert sending.wait(LONG)
    assert pipeline._publisher.visuals is not None
    pipeline._publisher.visuals.stop_after(0.0)
    closing.set()
    assert pipeline.wait(LONG)
    assert drawn.texts == ["text 0"]
    assert (
        "the program ended before they were made" in transport.configuration["displaCy - session"]
    )
    assert "the program ended before they were made" in caplog.text


def test_pages_that_were_late_come_with_the_tables_of_the_next_process(
    drawn: Drawn, offline: Any, own_spool: Path
) -> None:
    pipeline = new(ScriptedTransport(down), shutdown_timeout_s=0.5, offline=True)
    pipeline.add(said("a", 1))
    pipeline.close()
    (delivered,) = orphans.deliver([own_spool])
    assert delivered.problem == ""
    pages = [name for name in offline.session().names if name.endswith(".html")]
    assert len(pages) == 2
    assert ("Session Analysis", "session", 0) in offline.session().tables


def test_one_model_serves_all_pipelines_of_a_process() -> None:
    first = visuals._visualizer("", 1)
    assert isinstance(first, Visualizer)
    assert visuals._visualizer("", 1) is first
    assert visuals._visualizer("", 2) is not first, "a forked child's own"
    assert visuals._visualizer("other", 1) is not first


def test_the_applications_random_numbers_stay_its_own() -> None:
    """`rich`, which spaCy imports, draws one number from them at its import."""
    program = (
        "import random\nfrom clearml_otel.pipeline.visuals import Visuals\n"
        "random.seed(7)\nmade = Visuals('')\n"
        "from clearml_otel.readability.displacy import Visualizer\n"
        "Visualizer().pages('Some text.')\nprint(random.random())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout) == random.Random(7).random()
