"""The command line as a program: what it prints, what it writes, how it fails."""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.cells import cell_len

from clearml_otel.version import __version__
from support.commands import Outcome, environment, run_cli
from support.session_files import read_zip, the_only_zip

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "seed_golden.json").read_text())
ACTION_COLUMNS: list[str] = GOLDEN["scenario1"]["action_columns"]
HEAVY = {"clearml", "pandas", "spacy", "langchain", "langchain_core", "langchain_openai"}
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


def single_spans(line: bytes) -> list[str]:
    """One line of several spans as lines of one span."""
    (resource,) = json.loads(line)["resourceSpans"]
    return [
        json.dumps({"resourceSpans": [{**resource, "scopeSpans": [{**scope, "spans": [span]}]}]})
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


@dataclass(frozen=True)
class Demo:
    outcome: Outcome
    session: Path

    @property
    def spans(self) -> list[str]:
        """The spans that the session keeps, each as a line of OTLP JSON, the last first."""
        with zipfile.ZipFile(self.session) as archive:
            kept = [name for name in archive.namelist() if name.endswith(".gz")]
            lines = [
                line for name in kept for line in gzip.decompress(archive.read(name)).splitlines()
            ]
        assert len(kept) == 2
        return [span for line in lines for span in single_spans(line)][::-1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    outcome = run_cli(folder, "demo", "--output", folder / "here")
    assert outcome.status == 0, outcome
    return Demo(outcome, the_only_zip(folder / "here"))


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
    command = shlex.split(after[-1])
    assert command[:2] == ["python", "-c"]
    call = f"from clearml import Task; Task.import_offline_session({str(demo.session)!r})"
    assert command[2] == call


def test_demo_leaves_the_session(demo: Demo) -> None:
    session = read_zip(demo.session)
    assert session.task["status"] == "completed"
    sizes = {
        key: (len(session.table(*key).rows), len(session.table(*key).columns)) for key in SIZES
    }
    assert sizes == SIZES
    assert session.models == {"simple_sequential", "Agent with Tools"}


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


# -- replay -------------------------------------------------------------------------------


NAMES = ("--session", "simple_sequential", "--session", "Agent with Tools")


def write_spans(demo: Demo, folder: Path) -> tuple[Path, Path]:
    """The demo's spans in two files, neither in order nor by session."""
    files = folder / "odd.jsonl", folder / "even.jsonl"
    for index, file in enumerate(files):
        file.write_text("".join(f"{span}\n" for span in demo.spans[index::2]))
    return files


def replay(folder: Path, *arguments: str | Path, **variables: str) -> Outcome:
    settings = {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": str(folder / "cache")}
    return run_cli(folder, "replay", *arguments, **{**settings, **variables})


def test_replay_rebuilds_the_tables(demo: Demo, tmp_path: Path) -> None:
    outcome = replay(tmp_path, *write_spans(demo, tmp_path), *NAMES, "--project", "archive")
    assert (outcome.status, outcome.stderr) == (0, "")
    session = the_only_zip(tmp_path / "cache")
    assert outcome.stdout.splitlines() == [
        "simple_sequential: 24 action records, 12 prompts with their answers, 12 runs",
        "Agent with Tools: 15 action records, 3 prompts with their answers, 6 runs",
        f"The tables are in {session}",
    ]
    assert read_zip(session).tables == read_zip(demo.session).tables
    task = read_zip(session).task
    assert (task["project_name"], task["name"]) == ("archive", "replay of odd.jsonl and 1 more")
    assert not outcome.modules & HEAVY


def test_replay_names_the_task_as_it_is_told(demo: Demo, tmp_path: Path) -> None:
    files = write_spans(demo, tmp_path)
    outcome = replay(tmp_path, *files, OTEL_EXPORTER_CLEARML_TASK_NAME="from the settings")
    assert outcome.status == 0
    assert read_zip(the_only_zip(tmp_path / "cache")).task["name"] == "from the settings"
    other = tmp_path / "other"
    assert replay(tmp_path, *files, "--task-name", "told", CLEARML_CACHE_DIR=str(other)).status == 0
    assert read_zip(the_only_zip(other)).task["name"] == "told"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (b'{"resourceSpans": [{"scopeSpans": [{"spa', "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b'{"metrics": []}\n', "no OTLP trace data"),
        (b"[]\n", "not an OTLP JSON object"),
    ],
    ids=["truncated", "no UTF-8", "metrics", "a list"],
)
def test_replay_publishes_what_it_can_read(
    demo: Demo, tmp_path: Path, damage: bytes, says: str
) -> None:
    files = write_spans(demo, tmp_path)
    count = len(files[1].read_bytes().splitlines())
    with files[1].open("ab") as file:
        file.write(damage)
    outcome = replay(tmp_path, *files, *NAMES)
    assert f"{files[1]}, line {count + 1}: " in outcome.error
    assert says in outcome.error
    assert outcome.error.endswith("; the rest is published")
    assert read_zip(the_only_zip(tmp_path / "cache")).tables == read_zip(demo.session).tables


def test_replay_counts_damaged_lines(demo: Demo, tmp_path: Path) -> None:
    files = write_spans(demo, tmp_path)
    files[0].write_text("{\n" * 1_000 + files[0].read_text())
    error = replay(tmp_path, *files, *NAMES).error
    assert f"{files[0]}, line 1: " in error
    assert "(and 999 more such lines)" in error


def test_replay_goes_on_without_a_missing_file(demo: Demo, tmp_path: Path) -> None:
    missing = tmp_path / "missing.jsonl"
    outcome = replay(tmp_path, missing, *write_spans(demo, tmp_path), *NAMES)
    assert f"{missing}: cannot be read" in outcome.error
    assert read_zip(the_only_zip(tmp_path / "cache")).tables == read_zip(demo.session).tables


@pytest.mark.parametrize("content", ["", "\n\n", '{"resourceSpans": []}\n', "{\n"])
def test_replay_of_nothing_makes_no_task(tmp_path: Path, content: str) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_text(content)
    assert str(file) in replay(tmp_path, file).error
    assert not (tmp_path / "cache").exists()


def test_replay_refuses_short_names(demo: Demo, tmp_path: Path) -> None:
    files = write_spans(demo, tmp_path)
    for option in ("--task-name", "--project"):
        error = replay(tmp_path, *files, option, "ab").error
        assert "'ab'" in error
        assert "3 characters" in error
    assert not (tmp_path / "cache").exists()


def test_replay_into_an_unwritable_folder(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    error = replay(tmp_path, *write_spans(demo, tmp_path)).error
    assert str(tmp_path / "cache") in error
    assert "CLEARML_CACHE_DIR" in error


def test_replay_without_credentials(demo: Demo, tmp_path: Path) -> None:
    files = write_spans(demo, tmp_path)
    error = replay(tmp_path, *files, CLEARML_OFFLINE_MODE="").error
    assert "clearml-init" in error
    assert "CLEARML_OFFLINE_MODE=1" in error
