from __future__ import annotations

import pytest

from support.commands import run_cli
from support.demo_session import Demo
from support.session_files import the_only_zip


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    outcome = run_cli(folder, "demo", "--output", folder / "here")
    assert outcome.status == 0, outcome
    return Demo(outcome, the_only_zip(folder / "here"))
