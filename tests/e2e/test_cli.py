"""The command line as a program: what it prints, what it writes, how it fails."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from rich.cells import cell_len

from clearml_otel.version import __version__
from support.clearml_double import ClearMLDouble
from support.commands import HEAVY, Outcome, environment, run_cli
from support.demo_session import Demo
from support.session_files import TableFile, read_zip, the_only_zip

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "seed_golden.json").read_text())
ACTION_COLUMNS: list[str] = GOLDEN["scenario1"]["action_columns"]
SIZES = {
    ("Action Records", "simple_sequential"): (24, 39),
    ("Session Analysis", "simple_sequential"): (12, 24),
    ("Action Records", "Agent with Tools"): (15, 47),
    ("Session Analysis", "Agent with Tools"): (3, 24),
}
TITLES = [
    f"{metric}, {variant}: {rows} rows x {columns} columns"
    for (metric, variant), (rows, columns) in SIZES.items()
]


# -- in general ---------------------------------------------------------------------------


def test_version(tmp_path: Path) -> None:
    outcome = run_cli(tmp_path, "--version")
    assert (outcome.status, outcome.stdout) == (0, f"clearml-otel {__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_is_light(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    outcome = run_cli(tmp_path, *arguments)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert all(command in outcome.stdout for command in ("demo", "replay", "show"))
    assert not outcome.modules & (HEAVY | {"opentelemetry.sdk.trace"})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("frob",), "No such command 'frob'"),
        (("--frob",), "No such option"),
        (("show",), "Missing argument"),
        (("replay",), "Missing argument"),
        (("show", "x", "--rows", "few"), "--rows"),
        (("show", "x", "--wide", "--transpose"), "give one of them"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in run_cli(tmp_path, *arguments).error


# -- demo ---------------------------------------------------------------------------------


def after_the_page(outcome: Outcome) -> list[str]:
    return outcome.stdout.rpartition("What reached ClearML")[2].splitlines()


def test_demo_prints_what_the_page_prints(demo: Demo) -> None:
    outcome = demo.outcome
    assert outcome.stderr == ""
    records = [line for line in outcome.stdout.splitlines() if "{'action': 'on_" in line]
    assert len(records) == 24 + 15
    second_call = [repr(each["record"]) for each in GOLDEN["scenario1"]["printed_records"]]
    assert [line.replace("\\n\\n", "  ") for line in records[12:24]] == second_call
    assert "Entering new AgentExecutor chain..." in outcome.stdout
    assert "Final Answer: Bryan Adams has never been married." in outcome.stdout


def test_demo_needs_no_network_and_no_clearml(demo: Demo) -> None:
    assert demo.outcome.network == ()
    assert "clearml" not in demo.outcome.modules


def test_demo_ends_with_the_tables_and_where_they_are(demo: Demo) -> None:
    after = after_the_page(demo.outcome)
    assert [line for line in after if " rows x " in line] == TITLES
    assert f"The session is in {demo.session}" in after
    assert f"  clearml-otel show {shlex.quote(str(demo.session))}" in after
    assert shlex.split(after[-1]) == ["clearml-otel", "upload", str(demo.session)]


def test_demo_leaves_the_session(demo: Demo) -> None:
    session = read_zip(demo.session)
    assert session.task["status"] == "completed"
    sizes = {
        key: (len(session.table(*key).rows), len(session.table(*key).columns)) for key in SIZES
    }
    assert sizes == SIZES
    assert session.models == {"simple_sequential", "Agent with Tools"}


def test_demo_tells_how_to_upload(demo: Demo, tmp_path: Path) -> None:
    _program, *arguments = shlex.split(after_the_page(demo.outcome)[-1])
    with ClearMLDouble() as double:
        outcome = run_cli(tmp_path, *arguments, **double.env())
        assert outcome.status == 0, outcome
        assert double.violations == []
        task = double.task_by_name("llm")
        uploaded = {key: TableFile(*table) for key, table in double.tables(task["id"]).items()}
    assert uploaded == read_zip(demo.session).tables
    assert task["status"] == "completed"


def test_demo_is_its_own_master(tmp_path: Path) -> None:
    """Neither keys, proxies nor settings for other programs change it; ClearML's folder is used."""
    outcome = run_cli(
        tmp_path,
        "demo",
        CLEARML_CACHE_DIR=str(tmp_path / "cache dir"),
        OPENAI_API_KEY="sk-real",
        OPENAI_API_BASE="https://api.example.com/v1",
        OPENAI_PROXY="http://127.0.0.1:9",
        HTTP_PROXY="http://127.0.0.1:9",
        ALL_PROXY="http://127.0.0.1:9",
        LANGSMITH_TRACING="true",
        LANGSMITH_API_KEY="no-key",
        OTEL_SDK_DISABLED="true",
        OTEL_TRACES_SAMPLER="always_off",
        OTEL_EXPORTER_CLEARML_OFFLINE="false",
        OTEL_EXPORTER_CLEARML_CAPTURE_CONTENT="false",
        CLEARML_API_HOST="https://api.example.com",
    )
    assert (outcome.status, outcome.stderr, outcome.network) == (0, "", ())
    session = the_only_zip(tmp_path / "cache dir" / "offline")
    assert f"The session is in {session}" in outcome.stdout.splitlines()
    assert [line for line in after_the_page(outcome) if " rows x " in line] == TITLES


def test_demo_without_its_extra(tmp_path: Path) -> None:
    outcome = run_cli(tmp_path, "demo", CHILD_LACKS="langchain_openai")
    assert (
        'langchain_openai is not installed: run pip install "clearml-otel[demo]"' in outcome.error
    )
    assert outcome.stdout == ""


def test_demo_into_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = run_cli(tmp_path, "demo", "--output", tmp_path / "file" / "folder")
    assert str(tmp_path / "file" / "folder") in outcome.error
    assert "--output" in outcome.error


# -- show ---------------------------------------------------------------------------------


def shown(outcome: Outcome) -> list[str]:
    assert (outcome.status, outcome.stderr) == (0, "")
    return [line.rstrip() for line in outcome.stdout.splitlines()]


def test_show_prints_the_tables(demo: Demo, tmp_path: Path) -> None:
    outcome = run_cli(tmp_path, "show", demo.session)
    lines = shown(outcome)
    assert lines[0] == "langchain_callback_demo / llm / completed"
    assert [line for line in lines if " rows x " in line] == TITLES
    assert sum(line.split()[:2] == ["on_llm_start", "OpenAI"] for line in lines) == 12 + 3
    assert any("Tell me a poem" in line for line in lines)
    assert max(map(cell_len, lines)) <= 120
    assert not outcome.modules & HEAVY
    assert not any(name.startswith("opentelemetry") for name in outcome.modules)


def test_show_reads_folders_too(demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "session"
    with zipfile.ZipFile(demo.session) as archive:
        archive.extractall(folder)
    from_folder = run_cli(tmp_path, "show", folder)
    assert shown(from_folder) == shown(run_cli(tmp_path, "show", demo.session))


def test_show_fits_the_terminal(demo: Demo, tmp_path: Path) -> None:
    lines = shown(run_cli(tmp_path, "show", demo.session, COLUMNS="60"))
    assert max(map(cell_len, lines)) <= 60
    assert any("--wide, --transpose or" in line for line in lines)


def test_show_wide_has_everything(demo: Demo, tmp_path: Path) -> None:
    lines = shown(run_cli(tmp_path, "show", demo.session, "--wide", COLUMNS="60"))
    header = lines[lines.index(TITLES[0]) + 1]
    assert header.split() == ACTION_COLUMNS
    assert any("Final Answer: the final answer to the original input" in line for line in lines)


def test_show_transposed_has_everything(demo: Demo, tmp_path: Path) -> None:
    lines = shown(run_cli(tmp_path, "show", demo.session, "--transpose", "--rows", "1"))
    begin = lines.index(TITLES[0])
    names = [line.split()[0] for line in lines[begin + 2 : begin + 2 + len(ACTION_COLUMNS)]]
    assert names == ACTION_COLUMNS


def test_show_picks_columns_and_rows(demo: Demo, tmp_path: Path) -> None:
    arguments = ("--columns", "step,action,output_step", "--rows", "2")
    lines = shown(run_cli(tmp_path, "show", demo.session, *arguments))
    begin = lines.index(TITLES[0])
    assert lines[begin + 1].split() == ["step", "action"]
    assert lines[begin + 3].split() == ["1", "on_llm_start"]
    assert lines[begin + 5] == "22 more rows (--rows 0)"


def test_show_names_the_columns_there_are(demo: Demo, tmp_path: Path) -> None:
    error = run_cli(tmp_path, "show", demo.session, "--columns", "setp").error
    assert "no column 'setp'" in error
    assert "step, starts" in error


def test_show_is_safe_to_print(demo: Demo, tmp_path: Path) -> None:
    """Text that a model made reaches neither the terminal's controls nor its encoding's limits."""
    hostile = "\x1b]0;owned\x07 [bold]数据[/bold]"
    copy = tmp_path / "hostile.zip"
    with zipfile.ZipFile(demo.session) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "metrics.jsonl":
                escaped = json.dumps(json.dumps(hostile)[1:-1])[1:-1]
                data = data.replace(b"Tell me a joke", escaped.encode())
            target.writestr(name, data)
    outcome = run_cli(tmp_path, "show", copy, PYTHONIOENCODING="ascii")
    assert "\\x1b]0;owned\\x07 [bold]\\u6570\\u636e[/bold]" in "\n".join(shown(outcome))
    assert "\x1b" not in outcome.stdout


def test_show_into_a_closed_pipe_says_nothing(demo: Demo, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "clearml_otel.cli", "show", str(demo.session), "--wide"]
    with subprocess.Popen(
        command,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        # as Click and rich have it
        assert process.wait(60) == 1


@pytest.mark.parametrize("kind", ["missing", "empty folder", "no zip", "truncated", "no json"])
def test_show_of_what_is_no_session(demo: Demo, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "session.zip"
    if kind == "empty folder":
        path.mkdir()
    elif kind == "no zip":
        path.write_text("no zip")
    elif kind == "truncated":
        path.write_bytes(demo.session.read_bytes()[:-400])
    elif kind == "no json":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("task.json", "{")
    assert str(path) in run_cli(tmp_path, "show", path).error
