from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearml_otel import diagnostics
from clearml_otel.pipeline import spool_folder
from clearml_otel.pipeline.process_spools import spools
from support.offline import OfflineClearML, offline_clearml

pytest_plugins = ["support.old_textstat"]

# LangSmith's tracer would look for a server of its own
os.environ.setdefault("LANGSMITH_TRACING", "false")
# what one of the programs that tests start has compiled, the next one finds
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def fresh_diagnostics() -> None:
    """Each test sees the first problem of each kind logged."""
    for kind in diagnostics.occurrences():
        diagnostics.forget(kind)


@pytest.fixture(autouse=True)
def own_spool(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """No test leaves spans in the developer's own spool, or finds some there."""
    state = tmp_path_factory.mktemp("state")
    folder = state / "spool"
    monkeypatch.setenv("OTEL_EXPORTER_CLEARML_SPOOL_FOLDER", str(folder))
    monkeypatch.setattr(spool_folder, "user_state_path", lambda *_, **__: state)
    yield folder
    # what a test leaves there is no test's business
    shutil.rmtree(state, ignore_errors=True)
    spools.close()


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OfflineClearML:
    """Offline ClearML below the test's own folder."""
    return offline_clearml(tmp_path / "clearml", monkeypatch)
