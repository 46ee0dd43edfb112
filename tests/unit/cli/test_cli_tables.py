from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from clearml_otel.cli.tables import Layout, View, cell_text, print_table

GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "seed_golden.json").read_text())
SCENARIO = GOLDEN["scenario1"]
COLUMNS: list[str] = SCENARIO["action_columns"]
ROWS = [[row["full"].get(column) for column in COLUMNS] for row in SCENARIO["action_rows"]]


def printed(
    columns: list[str], rows: list[list[Any]], view: View, width: int = 80, encoding: str = "utf-8"
) -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(file=file, width=width, highlight=False, emoji=False, markup=False)
    print_table(console, columns, rows, view)
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("width", [20, 60, 80, 200, 1000])
def test_fitted_lines_fit(width: int) -> None:
    lines = printed(COLUMNS, ROWS, View(), width)
    assert max(map(cell_len, lines)) <= width
    assert sum(line.startswith("on_llm_") for line in lines) == 24


def test_fitted_says_what_it_leaves_out() -> None:
    lines = printed(COLUMNS, ROWS, View(max_rows=4))
    assert sum(line.startswith("on_llm_") for line in lines) == 4
    assert "20 more rows (--rows 0)" in lines
    (note,) = (line for line in lines if "more columns" in line)
    assert "(--wide, --transpose or --columns A,B)" in note
    # columns where nothing happened are the first to go
    assert "errors" not in "".join(lines)


def test_hints_can_be_left_out() -> None:
    lines = printed(COLUMNS, ROWS, View(max_rows=4, hints=False))
    assert lines[-1] == "20 more rows"
    assert lines[-2].endswith(" more columns")


def test_fitted_cuts_cells_with_dots() -> None:
    lines = printed(["step", "text"], [[1, "word " * 30]], View(), 40)
    assert lines[-1].rstrip() == "1     word word word word word word w..."


def test_wide_has_every_column_in_full() -> None:
    lines = printed(COLUMNS, ROWS, View("wide"))
    assert lines[0].split() == COLUMNS
    assert len(lines) == 2 + 24
    assert "  Roses are red,\\nViolets are blue,\\nSugar is sweet,\\nAnd so are you." in lines[-1]


def test_transposed_has_every_column_in_full() -> None:
    lines = printed(COLUMNS, ROWS, View("transposed", max_rows=1))
    assert lines[0].rstrip() == "row 1"
    assert [line.split()[0] for line in lines[1 : 1 + len(COLUMNS)]] == COLUMNS


def test_picked_columns_come_in_the_order_asked_for() -> None:
    lines = printed(COLUMNS, ROWS, View(columns=("osman", "errors", "action")), 80)
    assert lines[0].split() == ["osman", "errors", "action"]
    assert lines[-1].split() == ["100.17", "0", "on_llm_end"]
    assert not any("more columns" in line for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("nan", ""),
        (0, "0"),
        (False, "False"),
        ("two\nlines\t", "two\\nlines\\t"),
        ("\x1b]0;owned\x07\x9b31m", "\\x1b]0;owned\\x07\\x9b31m"),
        ("\u202egnp", "\\u202egnp"),
        ("\ud800", "\\ud800"),
        ("数据 é", "数据 é"),
        ("[red]no markup[/red] :smile:", "[red]no markup[/red] :smile:"),
    ],
)
def test_cells_are_one_safe_line(value: object, text: str) -> None:
    assert cell_text(value) == text
    assert printed(["column"], [[value]], View("wide"))[-1].rstrip() == text


def test_wide_characters_are_cut_at_their_width() -> None:
    lines = printed(["a", "b"], [["数据" * 40, "x"]], View(), 40)
    assert max(map(cell_len, lines)) <= 40
    assert lines[-1].rstrip().endswith("x")


def test_ascii_terminals_get_no_lines_drawn() -> None:
    lines = printed(["a"], [["b"]], View(), encoding="ascii")
    assert set(lines[1].strip()) == {"-"}


CELLS = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=60))


@settings(max_examples=60, deadline=None)
@given(
    columns=st.lists(st.text(max_size=30), min_size=1, max_size=8, unique=True),
    data=st.data(),
    layout=st.sampled_from(["fitted", "wide", "transposed"]),
    width=st.integers(10, 200),
)
def test_any_table_prints(
    columns: list[str], data: st.DataObject, layout: Layout, width: int
) -> None:
    row = st.lists(CELLS, max_size=len(columns))
    rows = data.draw(st.lists(row, max_size=4))
    lines = printed(columns, rows, View(layout), width)
    if layout != "wide":
        assert max(map(cell_len, lines), default=0) <= width
    assert all(line.isprintable() for line in lines)
