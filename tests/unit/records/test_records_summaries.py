"""Spreads, sums and calls that charts are drawn from."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_otel.records import build_tables
from clearml_otel.records.summaries import (
    durations,
    model_calls,
    readability_spreads,
    spread,
    tokens_by_model,
)
from support.run_records import call, run_record, with_attributes


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_a_spread_is_that_of_its_values(values: list[float]) -> None:
    found = spread(values)
    ordered = [found.least, found.q1, found.median, found.q3, found.most]
    assert ordered == pytest.approx(sorted(ordered))
    assert (found.least, found.most, found.count) == (min(values), max(values), len(values))
    assert found.median == pytest.approx(statistics.median(values))
    assert found.mean == pytest.approx(statistics.fmean(values), abs=1e-6)


def test_the_runs_that_took_longest_in_all_come_first() -> None:
    spans = [
        run_record("tool", 1, 4, name="search"),
        run_record("tool", 5, 8, name="search"),
        run_record("chain", 9, 14, name="chain"),
        run_record("llm", 15, 16, name="model"),
    ]
    found = durations(build_tables(spans).runs, most=2)
    assert list(found) == [("tool", "search"), ("chain", "chain")]
    assert (found["tool", "search"].median, found["tool", "search"].count) == (3.0, 2)


def test_tokens_are_summed_by_model_and_absent_where_nobody_told_any() -> None:
    usage = {"gen_ai__usage__input_tokens": 10, "gen_ai__usage__output_tokens": 3}
    spans = [
        call("a", 1, gen_ai__request__model="m1", **usage),
        call("b", 3, gen_ai__request__model="m1", **usage),
        call("c", 5, gen_ai__request__model="m2", gen_ai__usage__input_tokens=1),
        call("d", 7, gen_ai__request__model="m3"),
        run_record("chain", 9),
    ]
    assert tokens_by_model(build_tables(spans).runs) == {"m1": (20, 6), "m2": (1, 0)}


def test_calls_stand_in_the_order_of_their_ends() -> None:
    slow, quick = call("slow", 1, 6), call("quick", 2, 3)
    runs = build_tables([slow, quick, run_record("chain", 8)]).runs
    assert [(each.run_id, each.duration_s) for each in model_calls(runs)] == [
        (quick.attributes["langchain.run.id"], 1.0),
        (slow.attributes["langchain.run.id"], 5.0),
    ]


def test_metrics_of_answers_without_those_that_are_no_numbers() -> None:
    spans = [
        with_attributes(
            call(f"q{n}", 2 * n),
            readability__flesch_reading_ease=float(n),
            readability__text_standard="5th grade",
        )
        for n in (1, 2, 3)
    ]
    found = readability_spreads(build_tables(spans))
    assert found["flesch_reading_ease"].median == 2.0
    assert "text_standard" not in found
    assert readability_spreads(build_tables([call("plain", 9)])) == {}
