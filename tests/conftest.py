from __future__ import annotations

import os
from pathlib import Path

import pytest

from clearml_otel import diagnostics
from support.offline import OfflineClearML, offline_clearml

pytest_plugins = ["support.old_textstat"]

# LangSmith's tracer would look for a server of its own
os.environ.setdefault("LANGSMITH_TRACING", "false")


@pytest.fixture(autouse=True)
def fresh_diagnostics() -> None:
    """Each test sees the first problem of each kind logged."""
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OfflineClearML:
    """Offline ClearML below the test's own folder."""
    return offline_clearml(tmp_path / "clearml", monkeypatch)
