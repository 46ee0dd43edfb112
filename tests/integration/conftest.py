from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.clearml_double import ClearMLDouble


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClearMLDouble]:
    """A ClearML server's double, whose client this process is."""
    with ClearMLDouble() as running:
        running.adopt(monkeypatch)
        yield running
