"""The task shows the code that ran: repository, branch, commit, entry point, packages, diff."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.commands import run_program
from support.session_files import read_zip, the_only_zip

PROGRAM = """
from langchain_core.language_models.fake import FakeListLLM
from clearml_otel import ClearMLCallbackHandler, ClearMLSpanProcessor
import sys
if sys.argv[1] == "handler":
    handler = ClearMLCallbackHandler(task_name="the code")
else:
    from opentelemetry.sdk.trace import TracerProvider
    from clearml_otel.langchain import LangChainSpanHandler
    provider = TracerProvider()
    provider.add_span_processor(ClearMLSpanProcessor(task_name="the code"))
    handler = LangChainSpanHandler(provider)
FakeListLLM(responses=["an answer"], callbacks=[handler]).invoke("a question")
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "app").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "a-branch")
    git(folder, "remote", "add", "origin", "https://user:password@example.com/team/project.git")
    (folder / "app" / "main.py").write_text(PROGRAM)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "app" / "main.py").write_text(PROGRAM + "# not committed yet\n")
    return folder


def script(folder: Path, program: Path, door: str) -> dict[str, Any]:
    run_folder = folder / door
    run_folder.mkdir()
    variables = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(run_folder / "cache")}
    outcome = run_program(run_folder, program, door, **variables)
    assert outcome.status == 0, outcome.stderr
    return read_zip(the_only_zip(run_folder / "cache")).task["script"]


def test_in_a_repository(repository: Path, tmp_path: Path) -> None:
    found = script(tmp_path, repository / "app" / "main.py", "handler")
    assert found["repository"] == "https://example.com/team/project.git"
    assert found["branch"] == "a-branch"
    assert found["version_num"] == git(repository, "rev-parse", "HEAD")
    assert Path(found["working_dir"], found["entry_point"]) == Path("app/main.py")
    assert "+# not committed yet" in found["diff"]
    assert "langchain-core ==" in found["requirements"]["pip"].replace("_", "-")


def test_no_source_unless_it_is_asked_for(repository: Path, tmp_path: Path) -> None:
    found = script(tmp_path, repository / "app" / "main.py", "processor")
    assert found["version_num"] == git(repository, "rev-parse", "HEAD")
    assert not found["diff"]


def test_outside_of_any_repository(tmp_path: Path) -> None:
    program = tmp_path / "alone.py"
    program.write_text(PROGRAM)
    found = script(tmp_path, program, "handler")
    assert not found["repository"]
    assert found["entry_point"] == "alone.py"
    assert found["diff"] == PROGRAM
