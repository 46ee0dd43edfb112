"""Looking for the code that ran takes a second a task, and has tests of its own."""

from __future__ import annotations

import pytest

from clearml_otel.clearml.code import CodeInfo
from clearml_otel.pipeline import destination


@pytest.fixture(autouse=True)
def _no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "find_code", lambda store_code: CodeInfo())
