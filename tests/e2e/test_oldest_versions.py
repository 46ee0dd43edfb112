"""The page and twenty shapes on the oldest LangChain and OpenTelemetry, in an environment apart."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.environments import environment_with
from support.session_files import read_zip, the_only_zip

TESTS = Path(__file__).parents[1]
GOLDEN_FILE = TESTS / "data" / "seed_golden.json"
OLDEST = (
    "langchain-core==0.3.0",
    "langchain==0.3.0",
    "langchain-openai==0.2.0",
    "numpy<2",
    "opentelemetry-sdk==1.30.0",
    "opentelemetry-instrumentation==0.51b0",
)


@pytest.fixture(scope="module")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the oldest versions."""
    return environment_with(tmp_path_factory, "oldest", str(TESTS.parent), *OLDEST)


def run(command: list[Path | str], folder: Path) -> str:
    """What a program prints; it must end well."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "CLEARML_OFFLINE_MODE": "1",
            "CLEARML_CACHE_DIR": str(folder / "cache"),
            "HOME": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_shapes(oldest: Path, tmp_path: Path) -> None:
    printed = run([oldest, TESTS / "support" / "oldest_shapes_program.py"], tmp_path)
    held, _, total, _ = printed.split()[-4:]
    assert held == total == "20"


@pytest.mark.slow
def test_the_page(oldest: Path, tmp_path: Path) -> None:
    run([oldest, TESTS / "support" / "page_program.py", GOLDEN_FILE, "folded"], tmp_path)
    session = read_zip(the_only_zip(tmp_path / "cache"))
    golden = json.loads(GOLDEN_FILE.read_text())
    llm = session.table("Action Records", "simple_sequential")
    assert llm.columns == golden["scenario1"]["action_columns"]
    wanted = [row["full"] for row in golden["scenario1"]["action_rows"]]
    found = [
        {name: cell if cell != "" else None for name, cell in row.items()} for row in llm.dicts()
    ]
    assert found == wanted
    agent = session.table("Action Records", "Agent with Tools").dicts()
    records = [item["record"] for item in golden["scenario2"]["agent_records"]]
    counters = golden["scenario1"]["action_columns"][2:15]
    assert [[row["action"], *(row[name] for name in counters)] for row in agent] == [
        [record["action"], *(record[name] for name in counters)] for record in records
    ]
    assert session.task["status"] == "completed"
