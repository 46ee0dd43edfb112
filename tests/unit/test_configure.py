"""`configure()` where LangChain is instrumented already, as `opentelemetry-instrument` does it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.language_models.fake import FakeListLLM
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from clearml_otel import LangChainInstrumentor, configure
from clearml_otel.zero_code import ZeroCodeInstrumentor
from support.offline import OfflineClearML


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    made = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made)
    yield made
    made.shutdown()
    ZeroCodeInstrumentor().uninstrument()
    LangChainInstrumentor().uninstrument()


def prompt_of_a_run(offline: OfflineClearML, **settings: object) -> str:
    tracker = configure(task_name="from code", **settings)
    FakeListLLM(responses=["an answer"]).invoke("a secret")
    tracker.flush("asked", finish=True)
    (row,) = offline.sessions()["from code"].table("Session Analysis", "asked").dicts()
    return row["prompts"]


def test_its_redaction_holds(offline: OfflineClearML) -> None:
    ZeroCodeInstrumentor().instrument(skip_dep_check=True)
    assert prompt_of_a_run(offline, redact=lambda text, _: text.replace("secret", "***")) == "a ***"


def test_so_does_a_setting_that_it_is_given(offline: OfflineClearML) -> None:
    LangChainInstrumentor().instrument()
    assert prompt_of_a_run(offline, capture_content=False) == ""


def test_what_it_is_not_given_stays_as_it_was(offline: OfflineClearML) -> None:
    ZeroCodeInstrumentor().instrument(skip_dep_check=True, capture_content=False)
    assert prompt_of_a_run(offline) == ""
