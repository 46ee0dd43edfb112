from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_otel.clearml.events import (
    MAX_BATCH,
    MAX_LOG,
    addressed,
    batches,
    console,
    plotly_plot,
    scalar,
    table_plots,
)
from clearml_otel.clearml.transport import TransportError

LIMIT = 15_728_640
"""ClearML's own, of a request's body."""


def plots(columns: list[str], rows: list[list[Any]], **keywords: Any) -> list[dict[str, Any]]:
    return list(table_plots("Title", "series", columns, rows, timestamp_ms=5, **keywords))


def cells(event: dict[str, Any]) -> list[list[Any]]:
    """The rows of a table plot."""
    values = json.loads(event["plot_str"])["data"][0]["cells"]["values"]
    return [list(row) for row in zip(*values, strict=True)]


def body_size(event: dict[str, Any]) -> int:
    return len(json.dumps(addressed(event, "0" * 32)))


SDK_TABLE = """
import json, os, sys, warnings
warnings.filterwarnings("ignore")
import pandas
from clearml.utilities.plotly_reporter import create_plotly_table
frame = pandas.DataFrame({"step": [0, 1], "action": ["on_llm_start", "on_llm_end"]})
print(json.dumps(create_plotly_table(frame, "Action Records", "first")))
"""


def test_a_table_is_what_the_sdk_makes_of_a_data_frame() -> None:
    environ = {**os.environ, "CLEARML_OFFLINE_MODE": "1"}
    made = subprocess.run(
        [sys.executable, "-c", SDK_TABLE], capture_output=True, check=True, env=environ
    )
    expected = json.loads(made.stdout)
    [event] = table_plots(
        "Action Records",
        "first",
        ["step", "action"],
        [[0, "on_llm_start"], [1, "on_llm_end"]],
        timestamp_ms=5,
    )
    plot = json.loads(event.pop("plot_str"))
    assert plot["data"][0].pop("columnwidth") == [6, 12]
    assert plot == expected
    assert event == {
        "type": "plot",
        "metric": "Action Records",
        "variant": "first",
        "iter": 0,
        "timestamp": 5,
    }


@pytest.mark.parametrize("rows", [[], [[]], [["only one"]]])
def test_missing_cells_are_blank(rows: list[list[Any]]) -> None:
    [event] = plots(["a", "b"], rows)
    assert cells(event) == [[*row, "", ""][:2] for row in rows]
    header = json.loads(event["plot_str"])["data"][0]["header"]["values"]
    assert header == [["a"], ["b"]]


def test_cells_beyond_the_columns_get_a_column_without_a_name() -> None:
    [event] = plots(["a"], [[1, 2], [3]])
    assert json.loads(event["plot_str"])["data"][0]["header"]["values"] == [["a"], [""]]
    assert cells(event) == [[1, 2], [3, ""]]


def test_a_table_of_nothing_is_a_table() -> None:
    [event] = plots([], [])
    assert json.loads(event["plot_str"])["data"][0]["cells"]["values"] == []


def test_columns_with_long_texts_are_wide() -> None:
    [event] = plots(["step", "prompts"], [[1, "x" * 500], [2, "y"]])
    assert json.loads(event["plot_str"])["data"][0]["columnwidth"] == [6, 60]


def test_many_rows_are_paged_by_iteration() -> None:
    rows = [[number, f"text {number}"] for number in range(12_000)]
    pages = plots(["step", "text"], rows, iteration=3)
    assert [page["iter"] for page in pages] == [3, 4, 5]
    titles = [json.loads(page["plot_str"])["layout"]["title"] for page in pages]
    assert titles[0] == "series (rows 1–5,000 of 12,000)"
    assert titles[2] == "series (rows 10,001–12,000 of 12,000)"
    assert [row for page in pages for row in cells(page)] == rows
    assert {(page["metric"], page["variant"]) for page in pages} == {("Title", "series")}


@pytest.mark.parametrize("character", ["a", "é", '"', "\\", "😀", "\x00"])
def test_large_tables_are_paged_well_under_clearmls_limit(character: str) -> None:
    rows = [[number, character * 100_000] for number in range(60)]
    pages = plots(["step", "text"], rows)
    assert len(pages) > 1 or character == "a"
    assert max(map(body_size, pages)) < 0.6 * LIMIT
    assert [row for page in pages for row in cells(page)] == rows


@pytest.mark.parametrize("character", ["a", "😀"])
def test_one_enormous_cell_is_cut_and_costs_nothing_else(character: str) -> None:
    length = 20_000_000
    pages = plots(["a", "b", "c"], [["before", 1, 2], [character * length, "x", 3], ["after", 4]])
    assert max(map(body_size, pages)) < 0.6 * LIMIT
    found = [row for page in pages for row in cells(page)]
    assert (found[0], found[2]) == (["before", 1, 2], ["after", 4, ""])
    assert found[1][1:] == ["x", 3]
    assert found[1][0].startswith(character * 50_000)
    assert found[1][0].endswith(f"{character}… [cut: 20,000,000 characters in all]")


def test_a_row_of_enormous_cells_fits_and_keeps_its_short_ones() -> None:
    [event] = plots(list("abcdefghijkl"), [["x" * 5_000_000] * 11 + ["short"]])
    [row] = cells(event)
    assert body_size(event) < 0.6 * LIMIT
    assert row[-1] == "short"
    assert all(text.endswith("[cut: 5,000,000 characters in all]") for text in row[:-1])


def test_enormous_names_of_columns_fit() -> None:
    [event] = plots(["n" * 3_000_000] * 10, [list(range(10))])
    assert body_size(event) < 0.6 * LIMIT
    assert cells(event) == [list(range(10))]


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())


@settings(max_examples=50)
@given(st.lists(st.lists(values, max_size=4), max_size=6), st.lists(st.text(), max_size=4))
def test_any_table_is_valid_json_and_always_the_same(
    rows: list[list[Any]], columns: list[str]
) -> None:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    made = plots(columns, rows)
    assert made == plots(columns, rows)
    for event in made:
        json.loads(event["plot_str"], parse_constant=no_constant)
        json.dumps(event, ensure_ascii=False).encode("utf-8")
    assert sum(len(cells(event)) for event in made if columns or any(rows)) in {0, len(rows)}


def test_a_figure_is_kept_and_valid_json() -> None:
    figure = {"data": [{"type": "bar", "x": [1, math.nan]}], "layout": {"title": {"text": "t"}}}
    event = plotly_plot("Runs", "waterfall", figure, iteration=2, timestamp_ms=5)
    assert json.loads(event["plot_str"])["data"] == [{"type": "bar", "x": [1, None]}]
    assert (event["metric"], event["variant"], event["iter"]) == ("Runs", "waterfall", 2)


def test_a_figure_that_is_too_large_says_so() -> None:
    figure = {"data": [{"x": ["y" * 16_000_000]}], "layout": {}}
    event = plotly_plot("Runs", "waterfall", figure, timestamp_ms=5)
    assert body_size(event) < 2_000
    assert "too many for ClearML" in json.loads(event["plot_str"])["layout"]["title"]["text"]


def test_scalars_are_points_and_what_is_no_number_is_none() -> None:
    assert scalar("Latency", "llm", 2, iteration=3, timestamp_ms=5) == {
        "type": "training_stats_scalar",
        "metric": "Latency",
        "variant": "llm",
        "value": 2.0,
        "iter": 3,
        "timestamp": 5,
    }
    for value in (math.nan, math.inf, -math.inf):
        assert scalar("Latency", "llm", value, iteration=0, timestamp_ms=5) is None


def test_console_lines_are_one_event_in_their_order() -> None:
    [event] = console(["one", "two\ud800", ""], timestamp_ms=5, worker="host")
    assert event == {
        "type": "log",
        "level": "info",
        "worker": "host",
        "msg": "one\ntwo\ufffd\n",
        "timestamp": 5,
    }
    assert console([], timestamp_ms=5) == []


@pytest.mark.parametrize("character", ["a", "é", "😀"])
def test_long_console_output_is_split_without_loss_and_sorts_by_time(character: str) -> None:
    lines = [f"{number} {character * 3_000}" for number in range(700)] + [character * 3_000_000]
    made = console(lines, timestamp_ms=100)
    assert len(made) > 2
    assert max(len(json.dumps(event["msg"])) for event in made) <= MAX_LOG + 2
    assert [event["timestamp"] for event in made] == list(range(100, 100 + len(made)))
    text = "\n".join(event["msg"] for event in made)
    assert text.split("\n")[:700] == lines[:700]
    assert "".join(text.split("\n")[700:]) == lines[700]


def test_batches_fit_into_a_request_and_keep_console_output_apart() -> None:
    events = [event for n in range(30) for event in plots(["a"], [["x" * 900_000]], iteration=n)]
    events += console((["y" * 1_000] * 5_000), timestamp_ms=5)
    made = list(batches([*events[20:], *events[:20]]))
    assert max(sum(map(body_size, batch)) for batch in made) < MAX_BATCH + 50_000
    kinds = [{event["type"] for event in batch} for batch in made]
    assert sorted(kinds, key=str, reverse=True) == kinds
    assert all(len(kind) == 1 for kind in kinds)
    sent = [event for batch in made for event in batch]
    assert [event for event in sent if event["type"] == "log"] == events[30:]
    assert len(sent) == len(events)


def test_a_large_table_is_never_in_memory_as_a_whole() -> None:
    asked: list[int] = []

    def events() -> Iterator[dict[str, Any]]:
        rows = [(number, "x" * 1_000) for number in range(12_000)]
        for number, event in enumerate(table_plots("T", "v", ["n", "t"], rows, timestamp_ms=5)):
            asked.append(number)
            yield event

    made = batches(events())
    assert next(made)[0]["iter"] == 0
    assert asked == [0, 1]


def test_batches_of_small_events_are_bounded_in_number() -> None:
    events = [scalar("a", "b", 1, iteration=n, timestamp_ms=5) or {} for n in range(1_201)]
    assert [len(batch) for batch in batches(events)] == [500, 500, 201]


def test_an_event_that_clearml_cannot_take_is_refused_in_one_line() -> None:
    event = {"type": "plot", "metric": "Title", "variant": "v", "plot_str": "x" * 16_000_000}
    with pytest.raises(TransportError, match="Title/v has 16,000,") as caught:
        list(batches([event]))
    assert not caught.value.transient
