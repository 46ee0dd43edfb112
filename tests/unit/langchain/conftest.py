"""What every test of the callbacks has: a traced handler, and a check that nothing is left."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from support.traced import Traced, nothing_left_behind, traced


@pytest.fixture
def tracing(caplog: pytest.LogCaptureFixture) -> Iterator[Traced]:
    """A handler that must end with no open run, no changed context and no complaint of anybody."""
    made = traced()
    with caplog.at_level(logging.WARNING), nothing_left_behind(made.handler):
        yield made
    complaints = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.name in {"langchain_core.callbacks.manager", "clearml_otel"}
    ]
    assert complaints == []
