"""How the double stores, replaces, refuses and reads back events, for the real SDK."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import pytest

from support.clearml_double import ClearMLDouble
from support.clearml_double.sample_events import log_event, scalar_event, table_event

ABSENT = "0" * 32


def codes(result: Any) -> tuple[int, int]:
    return result.meta.result_code, result.meta.result_subcode


def test_a_published_task_takes_events_only_when_they_allow_it(
    session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import events, tasks

    session.send(tasks.StoppedRequest(task=running_task))
    event = log_event(running_task, "late")
    assert session.send(events.AddBatchRequest(requests=[event])).response.added == 1
    session.send(tasks.PublishRequest(task=running_task))
    assert codes(session.send(events.AddBatchRequest(requests=[event]))) == (400, 131)
    allowed = {**event, "allow_locked": True}
    assert session.send(events.AddBatchRequest(requests=[allowed])).response.added == 1


def test_a_plot_sent_again_replaces_itself_and_a_log_line_does_not(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import events

    for rows in ([[1, "x"]], [[2, "y"]]):
        batch = [
            table_event(running_task, rows),
            table_event(running_task, rows, iter=1),
            table_event(running_task, rows, variant="second"),
            log_event(running_task, "line"),
        ]
        assert session.send(events.AddBatchRequest(requests=batch)).response.added == 4
    tables = double.tables(running_task)
    assert {place[1:]: table.rows for place, table in tables.items()} == {
        ("first", 0): [[2, "y"]],
        ("first", 1): [[2, "y"]],
        ("second", 0): [[2, "y"]],
    }
    assert double.console(running_task) == ["line", "line"]


def test_images_of_one_place_are_told_apart_by_key(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import events

    image = {"task": running_task, "type": "training_debug_image", "iter": 0, "metric": "m"}
    batch = [{**image, "variant": "v", "key": key, "url": key} for key in ("k1", "k2", "k1")]
    session.send(events.AddBatchRequest(requests=batch))
    assert [event["key"] for event in double.events(running_task)] == ["k2", "k1"]
    asked = [{"task": running_task, "metric": "m"}]
    answer = session.send(events.DebugImagesRequest(metrics=asked)).response_data
    assert [event["url"] for event in answer["metrics"][0]["iterations"][0]["events"]] == [
        "k2",
        "k1",
    ]
    expected = hashlib.md5(f"{running_task}-0-m-v-k2".encode()).hexdigest()
    assert ("training_debug_image", expected) in double._store.events


def test_a_mixed_batch_stores_the_good_and_counts_the_bad(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import events

    bad, good = log_event(ABSENT, "lost"), log_event(running_task, "kept")
    mixed = session.send(events.AddBatchRequest(requests=[bad, good])).response
    assert (mixed.added, mixed.errors) == (1, 1)
    assert mixed.errors_info == {f"Invalid task id {ABSENT}": 1}
    assert double.console(running_task) == ["kept"]
    assert codes(session.send(events.AddBatchRequest(requests=[bad]))) == (400, 131)
    empty = session.send_request("events", "add_batch", version="2.23").json()["meta"]
    assert (empty["result_code"], empty["result_subcode"]) == (400, 17)
    assert double.violations == []


@pytest.mark.parametrize("value", ["7", True, float("nan"), float("inf"), 1e39])
def test_a_scalar_that_is_no_number_fails_its_whole_batch(
    double: ClearMLDouble, session: Any, running_task: str, value: Any
) -> None:
    from clearml.backend_api.services import events

    batch = [log_event(running_task, "with it"), scalar_event(running_task, value)]
    assert codes(session.send(events.AddBatchRequest(requests=batch)))[0] == 500
    assert double.events(running_task) == []


def test_scalars_are_read_back_in_32_bits(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import events

    batch = [scalar_event(running_task, 0.1, 1), scalar_event(running_task, 2, 0)]
    session.send(events.AddBatchRequest(requests=batch))
    request = events.ScalarMetricsIterHistogramRequest(task=running_task)
    drawn = session.send(request).response_data["Tokens"]["total"]
    assert drawn == {"name": "total", "x": [0, 1], "y": [2.0, 0.10000000149011612]}
    assert double.events(running_task)[0]["value"] == 0.1


def test_reading_plots_and_logs_back(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import events

    batch = [table_event(running_task, [[number, "x"]], iter=number) for number in range(3)]
    lines = [{**log_event(running_task, f"line {n}"), "timestamp": 1000 + n} for n in range(5)]
    session.send(events.AddBatchRequest(requests=batch + lines))

    def plots(**given: Any) -> Any:
        return session.send(events.GetTaskPlotsRequest(task=running_task, **given))

    assert [plot["iter"] for plot in plots().response.plots] == [2]
    assert [plot["iter"] for plot in plots(iters=2).response.plots] == [2, 1]
    assert codes(plots(iters=101))[0] == 500

    def log(**given: Any) -> list[str]:
        request = events.GetTaskLogRequest(task=running_task, **given)
        return [event["msg"] for event in session.send(request).response.events]

    assert log(batch_size=2) == ["line 4", "line 3"]
    assert log(batch_size=2, order="asc") == ["line 3", "line 4"]
    assert log(batch_size=2, navigate_earlier=False, from_timestamp=1001) == ["line 2", "line 3"]
    metrics = session.send(events.GetTaskMetricsRequest(tasks=[running_task])).response.metrics
    assert metrics == [{"task": running_task, "metrics": ["Action Records"]}]
    assert double.violations == []


def test_eight_threads_lose_nothing(double: ClearMLDouble, session: Any, running_task: str) -> None:
    from clearml.backend_api.services import events

    def send(worker: int) -> None:
        for number in range(20):
            batch = [log_event(running_task, f"{worker}.{number}")]
            session.send(events.AddBatchRequest(requests=batch))

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"{worker}.{number}" for worker in range(8) for number in range(20)}
    assert set(double.console(running_task)) == expected
    assert len(double.events(running_task)) == 160
