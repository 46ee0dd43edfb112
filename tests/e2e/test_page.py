"""The ClearML page, cell by cell: its code run as a program, judged by what reached ClearML."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.clearml_double import ClearMLDouble
from support.commands import Outcome, run_program
from support.session_files import TableFile, read_zip, the_only_zip

TESTS = Path(__file__).parents[1]
GOLDEN_FILE = TESTS / "data" / "seed_golden.json"
GOLDEN = json.loads(GOLDEN_FILE.read_text())
FIRST, SECOND = "simple_sequential", "Agent with Tools"
COUNTERS = GOLDEN["scenario1"]["action_columns"][2:15]


@dataclass(frozen=True)
class Run:
    """What the program did, and what reached ClearML: the offline session or the server."""

    outcome: Outcome
    tables: Mapping[tuple[str, str, int], TableFile]
    console: list[str]
    models: set[str]
    task: dict[str, Any]
    project: str

    def table(self, metric: str, variant: str) -> TableFile:
        return self.tables[metric, variant, 0]


def run_offline(folder: Path, *command: str | Path, **variables: str) -> Run:
    cache = str(folder / "cache")
    variables |= {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": cache}
    outcome = run_program(folder, *command, **variables)
    assert outcome.status == 0, outcome.stderr
    # offline, nothing needs it
    assert "clearml" not in outcome.modules
    session = read_zip(the_only_zip(folder / "cache"))
    project = session.task["project_name"]
    return Run(outcome, session.tables, session.console, session.models, session.task, project)


def run_on_server(folder: Path, *command: str | Path, **variables: str) -> Run:
    # on a machine that does a lot besides, importing clearml alone takes longer than the default
    patience = {"OTEL_EXPORTER_CLEARML_FLUSH_TIMEOUT_S": "120"}
    with ClearMLDouble() as double:
        outcome = run_program(folder, *command, **variables, **patience, **double.env())
        assert outcome.status == 0, outcome.stderr
        assert double.violations == []
        task = double.task_by_name("llm")
        return Run(
            outcome,
            {key: TableFile(*table) for key, table in double.tables(task["id"]).items()},
            [line for text in double.console(task["id"]) for line in text.split("\n")],
            {model["name"] for model in double.models.values()},
            task,
            double.projects[task["project"]]["name"],
        )


@pytest.fixture(
    scope="module",
    params=[
        ("offline", "0", "blank-lines"),
        ("offline", "1", "folded"),
        ("server", "20230329", "blank-lines"),
    ],
    ids="-".join,
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    where, hash_seed, form = request.param
    folder = tmp_path_factory.mktemp("page")
    run_there = run_offline if where == "offline" else run_on_server
    program = TESTS / "support" / "page_program.py"
    return run_there(folder, program, GOLDEN_FILE, form, PYTHONHASHSEED=hash_seed)


def fold(text: str) -> str:
    """The page's folding of blank lines, and its rendering of the ReAct prompt's two tools."""
    text = text.replace("\n\n", "  ")
    return re.sub(r"(?<=\s)(Search|Calculator)\([^)]*\) - ", r"\1: ", text)


def missing(cell: object) -> bool:
    return cell is None or cell == "" or cell == "nan"


def comparable(cell: object) -> object:
    if missing(cell):
        return None
    return fold(cell) if isinstance(cell, str) else cell


def assert_table(table: TableFile, columns: list[str], rows: Iterable[dict[str, Any]]) -> None:
    assert table.columns == columns
    found = [[comparable(cell) for cell in row] for row in table.rows]
    wanted = [[row.get(column) for column in columns] for row in rows]
    for number, (got, want) in enumerate(zip(found, wanted, strict=True)):
        differing = {
            column: (got[i], want[i])
            for i, column in enumerate(columns)
            if got[i] != want[i] or isinstance(got[i], bool)
        }
        assert not differing, f"row {number}: (found, wanted) {differing}"


def records_in(lines: Iterable[str]) -> list[str]:
    """The printed records, wherever in its line each begins, in the page's folding."""
    texts = [line[line.index("{'action': '") :] for line in lines if "{'action': '" in line]
    records = [ast.literal_eval(text) for text in texts]
    assert [repr(record) for record in records] == texts
    return [
        repr({key: fold(value) if isinstance(value, str) else value for key, value in each.items()})
        for each in records
    ]


def test_action_records_of_the_llm(run: Run) -> None:
    golden = GOLDEN["scenario1"]
    table = run.table("Action Records", FIRST)
    assert_table(table, golden["action_columns"], [row["full"] for row in golden["action_rows"]])
    assert (len(table.rows), len(table.columns)) == (24, 39)


def test_session_analysis_of_the_llm(run: Run) -> None:
    golden = GOLDEN["scenario1"]
    table = run.table("Session Analysis", FIRST)
    assert_table(table, golden["session_columns"], [row["full"] for row in golden["session_rows"]])
    assert (len(table.rows), len(table.columns)) == (12, 24)


def test_action_records_of_the_agent(run: Run) -> None:
    golden = GOLDEN["scenario2"]
    table = run.table("Action Records", SECOND)
    assert_table(
        table, golden["action_columns"], [each["record"] for each in golden["agent_records"]]
    )
    assert (len(table.rows), len(table.columns)) == (15, 47)


def test_session_analysis_of_the_agent(run: Run) -> None:
    golden = GOLDEN["scenario2"]
    table = run.table("Session Analysis", SECOND)
    assert_table(table, golden["session_columns"], [row["full"] for row in golden["session_rows"]])
    assert (len(table.rows), len(table.columns)) == (3, 24)


def test_no_other_session_has_tables(run: Run) -> None:
    names = {
        (metric, variant)
        for metric, variant, _ in run.tables
        if metric in ("Action Records", "Session Analysis")
    }
    assert names == {
        (metric, variant)
        for metric in ("Action Records", "Session Analysis")
        for variant in (FIRST, SECOND)
    }


def test_counters_are_whole_numbers_and_metrics_numbers(run: Run) -> None:
    metrics = [name for name in GOLDEN["metric_columns"] if name != "text_standard"]
    for name in (FIRST, SECOND):
        for row in run.table("Action Records", name).dicts():
            assert {type(row[column]) for column in COUNTERS} == {int}
        for row in run.table("Session Analysis", name).dicts():
            assert {type(row[column]) for column in metrics} <= {int, float}


def golden_records() -> list[str]:
    """Every record as the page prints it; of the first call, it shows the counters only."""
    first = []
    for row, printed in zip(
        GOLDEN["scenario1"]["action_rows"][:12],
        GOLDEN["scenario1"]["printed_records"],
        strict=True,
    ):
        counters = {key: row["full"][key] for key in COUNTERS}
        first.append({**printed["record"], **counters})
    printed = [each["record"] for each in GOLDEN["scenario1"]["printed_records"]]
    agent = [each["record"] for each in GOLDEN["scenario2"]["agent_records"]]
    return [repr(record) for record in (*first, *printed, *agent)]


def test_clearml_console_carries_the_records(run: Run) -> None:
    assert records_in(run.console) == golden_records()


def test_stdout_carries_the_records(run: Run) -> None:
    assert records_in(run.outcome.stdout.splitlines()) == golden_records()


def test_stdout_reads_as_the_page_does(run: Run) -> None:
    """The agent's own words and the records alternate as on the page."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", run.outcome.stdout)
    begin = plain.index("> Entering new AgentExecutor chain...")
    words = re.finditer(
        r"> Entering new AgentExecutor chain\.\.\.|> Finished chain\.|^Observation: "
        r"|^ I (?:need|now)|\{'action': '(?P<action>\w+)'",
        plain[begin:],
        re.MULTILINE,
    )
    order = [found["action"] or found.group().strip() for found in words]
    turn = ["on_llm_start", "on_llm_end", "I need", "on_agent_action", "on_tool_start"]
    assert order == [
        "> Entering new AgentExecutor chain...",
        "on_chain_start",
        *turn,
        "Observation:",
        "on_tool_end",
        *turn,
        "Observation:",
        "on_tool_end",
        "on_llm_start",
        "on_llm_end",
        "I now",
        "on_agent_finish",
        "> Finished chain.",
        "on_chain_end",
    ]


def test_models_are_in_the_session(run: Run) -> None:
    assert run.models == {FIRST, SECOND}


def test_finish_completes_the_task(run: Run) -> None:
    assert run.task["status"] == "completed"
    assert (run.project, run.task["name"]) == ("langchain_callback_demo", "llm")
    assert run.task["type"] == "inference"
    assert "test" in run.task["tags"]


def test_nothing_goes_wrong_on_the_way(run: Run) -> None:
    assert run.outcome.stderr == ""
    assert run.outcome.network == ()
