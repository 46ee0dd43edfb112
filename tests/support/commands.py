"""Runs `clearml-otel` as a program, watched: see watched_process/sitecustomize.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parents[1]
WATCHED = Path(__file__).parent / "watched_process"
HEAVY = {"clearml", "pandas", "spacy", "langchain", "langchain_core", "langchain_openai"}
PREFIXES = ("CLEARML_", "OTEL_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_", "COLUMNS", "NO_COLOR")


@dataclass(frozen=True)
class Outcome:
    status: int
    stdout: str
    stderr: str
    modules: frozenset[str] = field(repr=False)
    network: tuple[str, ...]

    @property
    def error(self) -> str:
        """The one line on stderr of a command that failed as commands should."""
        lines = self.stderr.splitlines()
        assert (self.status, len(lines)) == (2, 1), self
        return lines[0]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """A child's environment: nothing of the developer's settings, its home in a test's folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    return {
        **inherited,
        "HOME": str(folder / "home"),
        "PYTHONPATH": str(WATCHED),
        "CHILD_REPORT": str(folder / "child_report.json"),
        **variables,
    }


def run_program(
    folder: Path, *command: str | Path, python: str | Path = sys.executable, **variables: str
) -> Outcome:
    """Run a Python program, such as `run_program(tmp_path, "-m", "clearml_otel.cli")`."""
    report = folder / "child_report.json"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [str(python), *map(str, command)],
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        timeout=120,
    )
    seen = json.loads(report.read_text())
    return Outcome(
        done.returncode,
        done.stdout.decode(),
        done.stderr.decode(),
        frozenset(seen["modules"]),
        tuple(seen["network"]),
    )


def run_cli(folder: Path, *arguments: str | Path, **variables: str) -> Outcome:
    return run_program(folder, "-m", "clearml_otel.cli", *arguments, **variables)
