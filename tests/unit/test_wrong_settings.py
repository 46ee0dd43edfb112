"""Wrong settings through every door: named, with where they were set and what is used instead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import (
    ClearMLCallbackHandler,
    ClearMLSpanExporter,
    ClearMLSpanProcessor,
    LangChainInstrumentor,
    SettingsError,
    configure,
)
from clearml_otel.settings import ENV_PREFIX
from clearml_otel.tracker import Tracker
from clearml_otel.zero_code import DeclarativeOptions, ZeroCodeInstrumentor
from support.offline import OfflineClearML

BY_KEYWORD = "task_type='nonsense' is none of training, testing, "
BY_VARIABLE = f"{ENV_PREFIX}FLUSH_TIMEOUT_S='soon': could not convert string to float: 'soon'"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    "door",
    [
        lambda: ClearMLSpanProcessor(task_type="nonsense").tracker,
        lambda: ClearMLSpanExporter(task_type="nonsense").tracker,
        lambda: ClearMLCallbackHandler(task_type="nonsense").tracker,
    ],
    ids=["processor", "exporter", "handler"],
)
def test_doors_that_may_not_fail_go_on(
    door: Callable[[], Tracker],
    offline: OfflineClearML,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}FLUSH_TIMEOUT_S", "soon")
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        tracker = door()
    told = sorted(lines(caplog))
    assert told[0] == f"clearml-otel: {BY_VARIABLE}; 10.0 is used"
    assert told[1].startswith(f"clearml-otel: {BY_KEYWORD}")
    assert told[1].endswith("custom; 'inference' is used")
    assert len(told) == 2
    assert (tracker.settings.task_type, tracker.settings.flush_timeout_s) == ("inference", 10.0)
    tracker.close()


@pytest.fixture
def own_provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return provider


def test_configure_raises_before_it_changes_anything(
    own_provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=BY_KEYWORD):
        configure(task_type="nonsense")
    monkeypatch.setenv(f"{ENV_PREFIX}READABILITY", "guess")
    with pytest.raises(SettingsError, match=rf"seed, textstat \(set by {ENV_PREFIX}READABILITY\)"):
        configure()
    not_a_function: Any = "[email]"
    with pytest.raises(SettingsError, match=r"redact='\[email\]' cannot be called"):
        configure(redact=not_a_function)
    assert own_provider._active_span_processor._span_processors == ()
    assert not LangChainInstrumentor().is_instrumented_by_opentelemetry


@pytest.fixture
def uninstrumented() -> Iterator[None]:
    yield
    ZeroCodeInstrumentor().uninstrument()
    LangChainInstrumentor().uninstrument()


@pytest.mark.usefixtures("uninstrumented")
def test_the_instrumentors_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}READABILITY", "guess")
    ZeroCodeInstrumentor().instrument(skip_dep_check=True, complexity_metrics="maybe")
    first, second = sorted(lines(caplog))
    assert first.endswith("complexity_metrics='maybe': is neither true nor false; True is used")
    assert second.endswith(f"textstat (set by {ENV_PREFIX}READABILITY); 'seed' is used")
    assert LangChainInstrumentor().is_instrumented_by_opentelemetry


def test_an_unknown_option_of_a_configuration_file_costs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = DeclarativeOptions(capture_content=False, colour="blue")
    (line,) = lines(caplog)
    assert line.startswith("clearml-otel: unknown option 'colour' of clearml_langchain in the conf")
    assert line.endswith("readability_max_words; ignored")
    assert options == DeclarativeOptions(capture_content=False)
    assert options.capture_content is False
    assert options.readability is None
