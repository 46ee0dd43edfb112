"""Settings: keyword, else variable, else default; and what is said of each bad value."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from clearml_otel import diagnostics
from clearml_otel.capture import NO_CONTENT, capture_from
from clearml_otel.settings import ENV_PREFIX, TASK_TYPES, Settings, SettingsError, offline_mode

FIELDS = {item.name: item for item in dataclasses.fields(Settings)}
# a keyword, a variable's text and what each means
VALUES: dict[str, tuple[object, str, object]] = {
    "project_name": ("by keyword", "by variable", "by variable"),
    "task_name": ("by keyword", "by variable", "by variable"),
    "task_type": ("training", "testing", "testing"),
    "tags": (["a", "b"], "c, d,,", ("c", "d")),
    "task_per": ("session", "service", "service"),
    "session_name": ("by keyword", "by variable", "by variable"),
    "trace_url": ("https://a/{trace_id}", "https://b/{trace_id}", "https://b/{trace_id}"),
    "complexity_metrics": (False, "off", False),
    "readability": ("textstat", "textstat", "textstat"),
    "readability_max_words": (1, "25", 25),
    "evaluation_events": (True, "on", True),
    "charts": (False, "no", False),
    "visualize": (True, "yes", True),
    "visualize_model": ("en_core_web_md", "en_core_web_lg", "en_core_web_lg"),
    "visualize_max_words": (1, "25", 25),
    "stream_logs": (True, "1", True),
    "store_code": (True, "TRUE", True),
    "capture_content": (False, "No", "No"),
    "max_content_length": (1_000, "2000", 2_000),
    "capture_media": (True, "on", True),
    "offline": (True, "on", True),
    "offline_folder": ("/by/keyword", "/by/variable", "/by/variable"),
    "request_timeout_s": (1, "2.5", 2.5),
    "flush_timeout_s": (1, "2.5", 2.5),
    "shutdown_timeout_s": (0, "3600", 3600.0),
    "max_buffered_spans": (1, "25", 25),
    "spool": (False, "off", False),
    "spool_folder": ("/by/keyword", "/by/variable", "/by/variable"),
    "spool_max_mb": (1, "25", 25),
    "spool_max_age_h": (1, "25", 25),
    "publish_interval_s": (0, "2.5", 2.5),
    "trace_grace_s": (1, "2.5", 2.5),
    "trace_quiet_s": (1, "2.5", 2.5),
    "trace_idle_s": (1, "2.5", 2.5),
    "checkpoint_s": (1, "2.5", 2.5),
    "late_window_s": (1, "2.5", 2.5),
    "max_span_age_s": (0, "2.5", 2.5),
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*(ENV_PREFIX + name.upper() for name in FIELDS), "CLEARML_OFFLINE_MODE"):
        monkeypatch.delenv(name, raising=False)
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)


def test_every_setting_is_tested_and_described() -> None:
    assert set(VALUES) == set(FIELDS)
    for name in FIELDS:
        assert f"\n        {name}: " in str(Settings.__doc__) or f"\n    {name}: " in str(
            Settings.__doc__
        )


def test_defaults() -> None:
    settings = Settings.load()
    for name, item in FIELDS.items():
        if name != "task_name":
            assert getattr(settings, name) == item.default


@pytest.mark.parametrize("name", VALUES)
def test_keyword_over_variable_over_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keyword, text, wanted = VALUES[name]
    monkeypatch.setenv(ENV_PREFIX + name.upper(), text)
    assert getattr(Settings.load(), name) == wanted
    expected = tuple(keyword) if isinstance(keyword, list) else keyword
    assert getattr(Settings.load(**{name: keyword}), name) == expected
    # None stands for "not given"
    assert getattr(Settings.load(**{name: None}), name) == wanted


@pytest.mark.parametrize("name", VALUES)
def test_a_blank_variable_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_PREFIX + name.upper(), "  ")
    settings = Settings.load()
    if name != "task_name":
        assert getattr(settings, name) == FIELDS[name].default


def test_a_bad_variable_behind_a_keyword_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}MAX_BUFFERED_SPANS", "many")
    assert Settings.load(max_buffered_spans=5).max_buffered_spans == 5


BAD: list[tuple[str, object, str]] = [
    ("project_name", "", "3 characters"),
    ("project_name", "ab", "3 characters"),
    ("project_name", "   ", "3 characters"),
    ("project_name", 3, "is not text"),
    ("task_name", "ab", "3 characters"),
    ("task_name", ["a task"], "is not text"),
    ("task_type", "dreaming", "none of training, testing"),
    ("task_type", "", "none of training"),
    ("task_per", "thread", "none of process, session, service"),
    ("task_per", "", "none of process"),
    ("readability", "guess", "none of seed, textstat"),
    ("tags", 3, "no list of texts"),
    ("tags", ["a", 1], "is not text"),
    ("tags", b"ab", "is not text"),
    ("visualize", "maybe", "neither true nor false"),
    ("visualize", 2, "neither true nor false"),
    ("stream_logs", [], "neither true nor false"),
    ("offline_folder", 3, "is not text"),
    ("flush_timeout_s", "soon", "soon"),
    ("flush_timeout_s", -1, "between 0 and 3600"),
    ("flush_timeout_s", float("nan"), "between 0 and 3600"),
    ("flush_timeout_s", float("inf"), "between 0 and 3600"),
    ("shutdown_timeout_s", 3_601, "between 0 and 3600"),
    ("request_timeout_s", 0, "leaves no time for an answer"),
    ("max_buffered_spans", 0, "less than 1"),
    ("max_buffered_spans", "many", "many"),
    ("max_buffered_spans", 1.5, "1.5"),
    ("spool_max_age_h", 10**400, "is more than"),
    ("spool_folder", "nul\0", "null character"),
    ("no_such_setting", 1, "the settings are capture_content"),
]


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_bad_values_are_one_line_that_names_them(name: str, value: object, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(**{name: value})
    message = str(caught.value)
    assert name in message
    assert said in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_bad_values_are_repaired_and_logged(
    name: str, value: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        settings = Settings.load_or_repair(**{name: value})
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert said in record.getMessage()
    assert record.getMessage().startswith("clearml-otel: ")
    # what came out is itself in order
    again = {item: getattr(settings, item) for item in FIELDS}
    assert Settings.load(**again) == settings


def test_the_fault_of_a_variable_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}FLUSH_TIMEOUT_S", "soon")
    with pytest.raises(SettingsError, match=f"{ENV_PREFIX}FLUSH_TIMEOUT_S='soon'"):
        Settings.load()


def test_short_names_are_made_longer() -> None:
    settings = Settings.load_or_repair(project_name="ab", task_name="x")
    assert (settings.project_name, settings.task_name) == ("project ab", "task x")


def test_what_is_used_instead_is_said_and_where_it_was_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}TASK_TYPE", "nonsense")
    monkeypatch.setenv(f"{ENV_PREFIX}FLUSH_TIMEOUT_S", "soon")
    with caplog.at_level(logging.WARNING):
        Settings.load_or_repair(readability="guess", nope=1)
    told = {
        record.getMessage().split("=")[0].split()[1]: record.getMessage()
        for record in caplog.records
    }
    assert told["task_type"].endswith(f"custom (set by {ENV_PREFIX}TASK_TYPE); 'inference' is used")
    assert told[f"{ENV_PREFIX}FLUSH_TIMEOUT_S"].endswith("; 10.0 is used")
    assert told["readability"].endswith("textstat; 'seed' is used")
    assert told["unknown"].endswith("visualize_model; ignored")


def test_an_error_says_too_where_it_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}TASK_TYPE", "nonsense")
    with pytest.raises(SettingsError, match=rf"custom \(set by {ENV_PREFIX}TASK_TYPE\)$"):
        Settings.load()
    with pytest.raises(SettingsError, match=r"custom$"):
        Settings.load(task_type="nonsense")


def test_several_faults_are_all_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Settings.load_or_repair(project_name="a", task_name="b", task_type="c", tags=1, nope=2)
    assert len(caplog.records) == 5


def test_names_of_any_script_are_long_enough() -> None:
    assert Settings.load(project_name="日本語").project_name == "日本語"


# -- the program's name ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["/home/ann/train_model.py"], "train_model"),
        (["-c"], "langchain"),
        ([""], "langchain"),
        ([], "langchain"),
        (["-m"], "langchain"),
        (["a.py"], "langchain"),
        (["/usr/bin/gunicorn"], "gunicorn"),
    ],
)
def test_the_task_is_named_after_the_program(
    argv: list[str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert Settings.load().task_name == wanted


# -- offline mode ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, False),
        ("", False),
        ("0", False),
        ("false", False),
        ("No", False),
        ("off", False),
        ("1", True),
        ("true", True),
        ("2.9", True),
        (" 1 ", True),
    ],
)
def test_clearmls_own_variable(value: str | None, wanted: bool) -> None:
    assert offline_mode({} if value is None else {"CLEARML_OFFLINE_MODE": value}) is wanted


def test_our_variable_weighs_more_than_clearmls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML_OFFLINE_MODE", "1")
    assert Settings.load().offline
    monkeypatch.setenv(f"{ENV_PREFIX}OFFLINE", "false")
    assert not Settings.load().offline
    assert Settings.load(offline=True).offline


# -- shape -------------------------------------------------------------------------------


def test_settings_cannot_be_changed() -> None:
    settings: Any = Settings.load()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.task_name = "another"


def test_settings_as_text() -> None:
    text = Settings.load(task_name="a\ntask", tags=["x"]).as_text()
    lines = text.splitlines()
    assert len(lines) == len(FIELDS)
    assert "task_name = 'a\\ntask'" in lines
    assert "tags = ('x',)" in lines


def test_paths_are_text() -> None:
    assert Settings.load(offline_folder=Path("/a/b")).offline_folder == "/a/b"


def test_task_types_are_clearmls() -> None:
    program = pytest.importorskip("clearml.backend_interface.util", exc_type=ImportError)
    assert program
    from clearml import Task

    assert set(TASK_TYPES) == {item.value for item in Task.TaskTypes}


@pytest.mark.parametrize("name", ["spool_folder", "offline_folder"])
def test_a_folder_stays_where_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    given = {"a folder": "a folder", "~/spool": "home/spool", "../x": "../x"}
    for folder, wanted in given.items():
        found = getattr(Settings.load(**{name: folder}), name)
        assert found == os.path.abspath(tmp_path / wanted)


@pytest.mark.parametrize("name", ["spool_folder", "offline_folder"])
def test_a_folder_that_is_a_file_is_refused_or_repaired(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(SettingsError, match="is a file; name a folder"):
        Settings.load(**{name: str(file)})
    assert getattr(Settings.load_or_repair(**{name: str(file)}), name) == ""
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("https://jaeger.example/trace/", r"has no \{trace_id\} in it"),
        ("jaeger.example/{trace_id}", "is no http"),
        ("javascript:alert('{trace_id}')", "is no http"),
        ("https://[jaeger/{trace_id}", "is no URL"),
        ("https://me:hunter2@jaeger.example/{trace_id}", "has a user or password in it"),
    ],
)
def test_a_trace_url_that_cannot_be_used_makes_no_links(
    template: str, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SettingsError, match=wrong):
        Settings.load(trace_url=template)
    assert Settings.load_or_repair(trace_url=template).trace_url == ""
    assert len(caplog.records) == 1
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("name", ["spool_folder", "offline_folder"])
def test_a_folder_that_cannot_be_looked_at_raises_nothing(name: str, tmp_path: Path) -> None:
    longer = str(tmp_path / (300 * "x"))  # than a file system takes
    assert getattr(Settings.load(**{name: longer}), name) == longer


def test_content_is_captured_nowhere_by_a_number_or_what_is_no_mode(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert capture_from(Settings.load(capture_content=0).capture_content, {}) == NO_CONTENT
    assert Settings.load_or_repair(capture_content=["span_only"]).capture_content is False
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("no content is captured; False is used")
