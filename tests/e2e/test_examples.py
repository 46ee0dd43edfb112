"""Each example runs as it stands, with no key and no network, and leaves its tables."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from support.commands import WATCHED, Outcome, environment, run_program
from support.offline import OfflineClearML
from support.otlp_receiver import OtlpReceiver
from support.receivers import LOOPBACK_ONLY, receivers_python
from support.session_files import SessionFiles, read_zip, the_only_zip

EXAMPLES = Path(__file__).parents[2] / "examples"
WANTED = {
    "quickstart": {"jokes": (12, 2), "poems": (6, 1)},
    "migrate_from_callback_handler": {"simple_sequential": (12, 6), "Agent with Tools": (15, 3)},
    "beside_otlp": {"session": (2, 1)},
    "langgraph_agent": {"ann": (20, 3), "bob": (14, 2)},
    "openinference_spans_only": {"ann": (12, 2), "bob": (6, 1)},
    "fastapi_streaming": {"ann": (16, 2), "bob": (8, 1)},
}
BY_COMMAND = {"zero_code_app"}
BESIDE = {"phoenix_beside": "Phoenix", "mlflow_beside": "MLflow"}


def sizes(session: SessionFiles) -> dict[str, tuple[int, int]]:
    """Rows of the action records and of the session table, by session."""
    return {
        variant: (len(table.rows), len(session.table("Session Analysis", variant).rows))
        for (metric, variant, _), table in session.tables.items()
        if metric == "Action Records"
    }


def test_every_example_is_run_here() -> None:
    assert {
        path.stem for path in EXAMPLES.glob("*.py")
    } == WANTED.keys() | BY_COMMAND | BESIDE.keys()


@dataclass(frozen=True)
class Ran:
    """An example that has run, and what it left."""

    done: Outcome
    session: SessionFiles
    location: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ran]:
    """Runs an example offline; once, whatever is looked at afterwards."""

    @cache
    def run(name: str) -> Ran:
        folder = tmp_path_factory.mktemp(name)
        done = run_program(
            folder,
            EXAMPLES / f"{name}.py",
            CLEARML_CACHE_DIR=str(folder / "cache"),
        )
        assert (done.status, done.stderr) == (0, ""), done
        path = the_only_zip(folder / "cache")
        return Ran(done, read_zip(path), path)

    return run


@pytest.mark.parametrize("name", WANTED)
def test_example_runs_offline(name: str, ran: Callable[[str], Ran]) -> None:
    example = ran(name)
    assert example.done.network == ()
    assert "clearml" not in example.done.modules
    assert f"The tables are in {example.location}" in example.done.stdout.splitlines()
    assert example.session.task["status"] == "completed"
    assert sizes(example.session) == WANTED[name]


def test_the_other_backend_gets_every_span(ran: Callable[[str], Ran]) -> None:
    last = ran("beside_otlp").done.stdout.splitlines()[-1]
    assert last == "The other backend got {'chat gpt-4o-mini': 1, 'GET /joke': 1}"


def test_a_streaming_service_tells_both_backends_of_each_user(ran: Callable[[str], Ran]) -> None:
    example = ran("fastapi_streaming")
    last = example.done.stdout.splitlines()[-1]
    assert last.startswith("The other backend got {")
    assert "'ask': 3" in last
    rows = example.session.table("Runs", "ann").dicts()
    assert sum(row["name"] == "ask" for row in rows) == 2
    assert all(row["stream_tokens"] for row in rows if row["type"] == "chat_model")


def test_an_agent_remembers_each_thread_apart(ran: Callable[[str], Ran]) -> None:
    example = ran("langgraph_agent")
    assert "bob: I looked it up for you. Parcel 43 was delivered yesterday." in example.done.stdout
    tools = [row for row in example.session.table("Runs", "bob").dicts() if row["type"] == "tool"]
    assert [row["name"] for row in tools] == ["find_parcel"]
    assert example.session.models == {"ann"}


@pytest.mark.slow
def test_the_page_as_a_notebook(
    tmp_path: Path, offline: OfflineClearML, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (extra dev)")
    nbformat = pytest.importorskip("nbformat")
    for variable in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(WATCHED))  # off the network
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    notebook = nbformat.read(EXAMPLES / "langchain_page.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    *_, last = notebook.cells
    (output,) = last.outputs
    assert output.text.startswith("The tables are in ")
    session = offline.session()
    assert session.task["status"] == "completed"
    assert sizes(session) == {"simple_sequential": (12, 6), "Agent with Tools": (15, 3)}


@pytest.mark.slow
@pytest.mark.parametrize("name", BESIDE)
def test_a_real_backend_beside(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = run_program(
        tmp_path,
        EXAMPLES / f"{name}.py",
        python=receivers_python(tmp_path_factory),
        CLEARML_CACHE_DIR=str(tmp_path / "cache"),
        **LOOPBACK_ONLY,
    )
    assert (done.status, done.stderr, done.network) == (0, "", ())
    assert done.stdout.splitlines()[-1] == f"{BESIDE[name]} has 8 spans"
    session = read_zip(the_only_zip(tmp_path / "cache"))
    assert sizes(session) == {"session": (16, 2)}
    for row in session.table("Runs", "session").dicts():
        assert row["trace_url"].startswith("http://127.0.0.1:")
        assert row["trace_url"].endswith(row["trace_id"])


@pytest.mark.parametrize("name", BESIDE)
def test_a_backend_that_is_not_installed_is_named(name: str, tmp_path: Path) -> None:
    done = run_program(tmp_path, EXAMPLES / f"{name}.py", CHILD_LACKS="phoenix,flask")
    assert (done.status, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "not installed: `pip install" in line


@pytest.mark.slow
@pytest.mark.skipif(
    not entry_points(group="opentelemetry_configurator"),
    reason="opentelemetry-distro is not installed (extra dev)",
)
def test_a_plain_application_by_the_command_in_its_docstring(tmp_path: Path) -> None:
    _, docstring, code = (EXAMPLES / "zero_code_app.py").read_text().split('"""')
    assert "clearml" not in code
    assert "opentelemetry" not in code
    indented = [line.strip() for line in docstring.splitlines() if line.startswith("    ")]
    script = "\n".join(line for line in indented if not line.startswith("pip install"))
    # the programs that it names, of this interpreter's environment
    run = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    programs = {"python": [], "opentelemetry-instrument": ["-c", run]}
    for name, arguments in programs.items():
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *arguments])} "$@"\n')
        file.chmod(0o755)
    with OtlpReceiver() as other:
        variables = environment(
            tmp_path,
            CLEARML_CACHE_DIR=str(tmp_path / "cache"),
            OTEL_EXPORTER_OTLP_ENDPOINT=other.endpoint.removesuffix("/v1/traces"),
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="langchain",
        )
        variables["PATH"] = f"{tmp_path / 'bin'}:{variables['PATH']}"
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=EXAMPLES,
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Why did the fish blush?" in done.stdout
    session = read_zip(the_only_zip(tmp_path / "cache"))
    assert session.task["status"] == "completed"
    assert session.task["name"] == "zero_code_app"
    assert sizes(session) == {"session": (16, 2)}
    ids = {row["span_id"] for row in session.table("Runs", "session").dicts()}
    assert ids == {span.span_id for span in other.spans}
