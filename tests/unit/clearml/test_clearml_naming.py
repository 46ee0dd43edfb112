from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_otel.clearml.naming import metric_name, path_part, project_path


@pytest.mark.parametrize("name", ["simple_sequential", "a.b-c_1", "table.csv", "x" * 80])
def test_safe_names_stay(name: str) -> None:
    assert path_part(name) == name


@pytest.mark.parametrize("name", ["..", ".", "", "/etc/passwd", "../../x", "a\\b", ".hidden", "é"])
def test_no_name_leaves_its_folder(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", path_part(name))


def test_changed_names_keep_their_suffix_and_stay_different() -> None:
    names = {path_part(f"{text}.json") for text in ("a b", "a_b", "a/b", "ä", "ö", "x" * 500)}
    assert len(names) == 6
    assert all(name.endswith(".json") for name in names)
    assert max(map(len, names)) < 120


@given(st.text(), st.text())
def test_two_names_never_meet(one: str, other: str) -> None:
    assert (path_part(one) == path_part(other)) == (one == other)
    assert (metric_name(one) == metric_name(other)) == (one == other)


def test_long_metric_names_are_cut_but_stay_different() -> None:
    names = {metric_name("x" * 40_000 + end) for end in "ab"}
    assert len(names) == 2
    assert max(map(len, names)) < 300


def test_a_project_path_follows_the_projects_parts() -> None:
    assert project_path("demo/inner", "task", "id1") == "demo/inner/task.id1"
    assert project_path("../..//", "..", "id1").count("..") == 0
    assert project_path("", "task", "id1") == "_/task.id1"
