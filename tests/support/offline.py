"""Offline ClearML for tests in this process: the environment, and the session that came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.session_files import SessionFiles, read_zip, the_only_zip


class OfflineClearML:
    """Sessions go below a test's own folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def session(self) -> SessionFiles:
        """The one finished session."""
        return read_zip(the_only_zip(self.root))

    def sessions(self) -> dict[str, SessionFiles]:
        """All finished sessions, by task name."""
        found = [read_zip(path) for path in sorted(self.root.rglob("offline-*.zip"))]
        return {session.task["name"]: session for session in found}


def offline_clearml(root: Path, monkeypatch: pytest.MonkeyPatch) -> OfflineClearML:
    """Point this process at offline mode below ``root`` until the test ends."""
    monkeypatch.setenv("CLEARML_OFFLINE_MODE", "1")
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(root))
    return OfflineClearML(root)
