"""One application, switched on in each way in an environment as its README line makes it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from support.commands import PREFIXES, TESTS
from support.door_tables import TABLES, comparable_tables
from support.environments import environment_with
from support.session_files import SessionFiles, read_zip, the_only_zip

pytestmark = pytest.mark.slow
ROOT = TESTS.parent
PROGRAM = TESTS / "support" / "door_program.py"
IN_CODE: Final = ("configure", "processor", "exporter", "handler")
CONFIGURATION: Final = """\
file_format: "1.0-rc.1"
tracer_provider:
  processors:
    - batch: {{ exporter: {{ clearml: {{ {exporter} }} }} }}
instrumentation/development:
  python:
    clearml_langchain: {{ {instrumentation} }}
"""


FILE_NOTES: Final = (
    "OTEL_CONFIG_FILE is set; ignoring configurator kwargs: ['auto_instrumentation_version']",
    "Attempting to instrument while already instrumented",
)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with what README says to install, and nothing else."""
    readme = (ROOT / "README.md").read_text()
    line = re.search(r'^python -m pip install ("clearml-otel\[langchain\]".*)$', readme, re.M)
    assert line is not None
    _, *others = shlex.split(line[1])
    others.append("opentelemetry-configuration")  # for the configuration file
    return environment_with(tmp_path_factory, "doors", f"{ROOT}[langchain]", *others)


def run(
    python: Path, folder: Path, *command: str | Path, **variables: str
) -> tuple[SessionFiles, str]:
    """The session that a program leaves, and what it says on stderr."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            **kept,
            "HOME": str(folder),
            "PATH": f"{python.parent}{os.pathsep}{kept['PATH']}",
            "PYTHONPATH": str(TESTS),
            "CLEARML_OFFLINE_MODE": "1",
            "CLEARML_CACHE_DIR": str(folder / "cache"),
            "LANGSMITH_TRACING": "false",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return read_zip(the_only_zip(folder / "cache")), done.stderr


def through(
    door: str, python: Path, folder: Path, settings: Mapping[str, str]
) -> tuple[SessionFiles, str]:
    """Run the application through one of the doors with some settings."""
    if door in IN_CODE:
        given = [f"{name}={value}" for name, value in settings.items()]
        return run(python, folder, python, PROGRAM, door, *given)
    others = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    if door == "variables":
        given = {f"OTEL_EXPORTER_CLEARML_{name.upper()}": text for name, text in settings.items()}
        variables = {"OTEL_TRACES_EXPORTER": "clearml", **others, **given}
    else:
        file = folder / "otel.yaml"
        exporter = ", ".join(f"{name}: {value}" for name, value in settings.items())
        file.write_text(CONFIGURATION.format(exporter=exporter, instrumentation=""))
        variables = {"OTEL_CONFIG_FILE": str(file), **others}
    command = ("opentelemetry-instrument", "python", PROGRAM, "environment")
    return run(python, folder, *command, **variables)


def test_every_door_gives_the_same_tables(fresh: Path, tmp_path: Path) -> None:
    tables = {}
    for door in (*IN_CODE, "variables", "file"):
        folder = tmp_path / door
        folder.mkdir()
        session, said = through(door, fresh, folder, {"task_name": "the doors"})
        # of a file, OpenTelemetry says that it instruments twice, which BaseInstrumentor refuses
        lines = [line for line in said.splitlines() if line not in FILE_NOTES]
        assert lines == [], door
        assert (session.task["name"], session.task["status"]) == ("the doors", "completed")
        tables[door] = comparable_tables(session)
    assert tables["handler"].keys() == {(metric, "session") for metric in TABLES}
    assert len(tables["handler"]["Session Analysis", "session"]) == 6
    for door in tables:
        assert tables[door] == tables["handler"], door
