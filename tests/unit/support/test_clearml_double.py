"""The double's rules, as a direct client of the real SDK meets them."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from support.clearml_double import ClearMLDouble, Table
from support.clearml_double.sample_events import log_event, scalar_event, table_event
from support.clearml_double.schemas import response_problem

ABSENT = "0" * 32


def codes(result: Any) -> tuple[int, int]:
    return result.meta.result_code, result.meta.result_subcode


def raw(session: Any, name: str, body: Any, version: str | None = "2.23") -> dict[str, Any]:
    """Send a body past the SDK's own request classes; returns the answer's meta and status."""
    service, action = name.split(".")
    response = session.send_request(service, action, version=version, json=body)
    return response.json()["meta"]


def test_direct_client_leaves_a_completed_task_with_its_tables(
    double: ClearMLDouble, session: Any
) -> None:
    from clearml.backend_api.services import events, projects, tasks

    assert not session.send(projects.GetAllRequest(name="^llm$")).response.projects
    project = session.send(projects.CreateRequest(name="llm", description="")).response.id
    task = tasks.CreateRequest(name="session", type="inference", project=project, tags=["test"])
    task_id = session.send(task).response.id
    assert session.send(tasks.StartedRequest(task=task_id)).response.started == 1
    batch = [
        table_event(task_id, [[1, "x"], [2, "y"]]),
        log_event(task_id, "on_llm_start"),
        scalar_event(task_id, 7, 1),
    ]
    sent = session.send(events.AddBatchRequest(requests=batch))
    assert (sent.response.added, sent.response.errors) == (3, 0)
    assert session.send(tasks.CompletedRequest(task=task_id)).ok()

    stored = double.task_by_name("session")
    assert (stored["id"], stored["status"], stored["tags"]) == (task_id, "completed", ["test"])
    assert double.projects[stored["project"]]["name"] == "llm"
    assert double.tables(task_id) == {
        ("Action Records", "first", 0): Table(["a", "b"], [[1, "x"], [2, "y"]])
    }
    assert double.console(task_id) == ["on_llm_start"]
    assert double.events(task_id) == batch
    assert double.events(type="log") == batch[1:2]
    assert stored["last_iteration"] == 1
    assert [request.name for request in double.requests][:3] == [
        "auth.login",
        "projects.get_all",
        "projects.create",
    ]
    assert double.violations == []
    assert double.rejected == []


@pytest.mark.parametrize("name", ["", "ab", "  ab  "])
def test_names_need_three_characters(double: ClearMLDouble, session: Any, name: str) -> None:
    from clearml.backend_api.services import models, projects, tasks

    for request in (
        tasks.CreateRequest(name=name, type="inference"),
        projects.CreateRequest(name=name),
        models.CreateRequest(name=name, uri="file:///m"),
    ):
        result = session.send(request)
        assert codes(result) == (400, 800)
        assert "String value is too short" in result.meta.result_msg
    assert (double.tasks, double.projects, double.models) == ({}, {}, {})
    assert double.violations == []
    assert len(double.rejected) == 3


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("tasks.get_by_id", {"task": ABSENT}, (400, 101)),
        ("tasks.started", {"task": ABSENT}, (400, 101)),
        ("tasks.edit", {"task": ABSENT, "comment": "c", "force": True}, (400, 101)),
        ("tasks.create", {"name": "abc", "type": "training", "project": ABSENT}, (400, 16)),
        ("models.get_by_id", {"model": ABSENT}, (400, 201)),
        ("models.create", {"name": "abc", "uri": "u", "project": ABSENT}, (400, 12)),
        ("projects.get_by_id", {"project": ABSENT}, (400, 401)),
        ("queues.get_by_id", {"queue": ABSENT}, (400, 701)),
        ("events.get_task_plots", {"task": ABSENT}, (400, 101)),
        ("tasks.get_all", {"name": "("}, (400, 21)),
    ],
)
def test_unknown_ids_have_the_codes_of_the_server(
    double: ClearMLDouble, session: Any, name: str, body: Any, expected: tuple[int, int]
) -> None:
    meta = raw(session, name, body)
    assert (meta["result_code"], meta["result_subcode"]) == expected
    assert double.violations == []


def test_a_project_is_created_once_and_its_parents_with_it(
    double: ClearMLDouble, session: Any
) -> None:
    from clearml.backend_api.services import projects

    assert session.send(projects.CreateRequest(name="demo/inner")).ok()
    assert sorted(item["name"] for item in double.projects.values()) == ["demo", "demo/inner"]
    assert codes(session.send(projects.CreateRequest(name="demo"))) == (400, 801)


def test_status_moves_as_the_server_allows(double: ClearMLDouble, session: Any) -> None:
    from clearml.backend_api.services import tasks

    task = session.send(tasks.CreateRequest(name="status", type="inference")).response.id

    def move(request: type, force: bool = False) -> tuple[int, int]:
        return codes(session.send(request(task=task, force=force)))

    refused = (400, 110)
    assert move(tasks.CompletedRequest) == refused
    assert move(tasks.StartedRequest) == (200, 0)
    assert move(tasks.StartedRequest) == (200, 0)
    assert move(tasks.CompletedRequest) == (200, 0)
    assert move(tasks.FailedRequest) == refused
    assert move(tasks.FailedRequest, force=True) == (200, 0)
    assert move(tasks.StartedRequest) == refused
    assert move(tasks.StoppedRequest) == (200, 0)
    assert move(tasks.PublishRequest) == (200, 0)
    assert move(tasks.StartedRequest) == refused
    assert move(tasks.ResetRequest) == refused
    assert double.tasks[task]["status"] == "published"
    assert double.violations == []


def test_a_running_task_is_edited_only_with_force(double: ClearMLDouble, session: Any) -> None:
    from clearml.backend_api.services import tasks

    task = session.send(tasks.CreateRequest(name="editing", type="inference")).response.id
    configuration = [tasks.ConfigurationItem(name="settings", value="a = 1")]
    parameters = [tasks.ParamsItem(section="Args", name="x", value="1")]
    artifacts = [tasks.Artifact(key="rows", type="custom", uri="http://h/x", mode="output")]

    def edits(force: bool) -> list[tuple[int, int]]:
        return [
            codes(session.send(request))
            for request in (
                tasks.EditConfigurationRequest(task=task, configuration=configuration, force=force),
                tasks.EditHyperParamsRequest(task=task, hyperparams=parameters, force=force),
                tasks.AddOrUpdateArtifactsRequest(task=task, artifacts=artifacts, force=force),
                tasks.EditRequest(task=task, comment="said", force=force),
            )
        ]

    assert edits(force=False) == [(200, 0)] * 4
    session.send(tasks.StartedRequest(task=task))
    assert edits(force=False) == [(400, 110)] * 4
    assert edits(force=True) == [(200, 0)] * 4
    session.send(tasks.CompletedRequest(task=task))
    assert edits(force=True) == [(400, 110)] * 3 + [(200, 0)]
    stored = double.tasks[task]
    assert stored["configuration"]["settings"]["value"] == "a = 1"
    assert stored["hyperparams"]["Args"]["x"]["value"] == "1"
    assert [item["key"] for item in stored["execution"]["artifacts"]] == ["rows"]
    assert stored["comment"] == "said"
    assert double.violations == []


def test_models_are_linked_by_name_and_published_with_the_task(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import models, tasks

    uri = "http://127.0.0.1/model.json"
    created = session.send(
        models.CreateRequest(name="asset", uri=uri, task=running_task, ready=False)
    )
    model = created.response.id
    for _ in range(2):
        link = tasks.AddOrUpdateModelRequest(
            task=running_task, name="asset", model=model, type="output"
        )
        assert session.send(link).ok()
    assert double.tasks[running_task]["models"]["output"] == [{"name": "asset", "model": model}]
    session.send(models.EditRequest(model=model, comment="kept", labels={"a": 1}))
    assert double.models[model]["comment"] == "kept"
    session.send(tasks.CompletedRequest(task=running_task, publish=True))
    assert double.tasks[running_task]["status"] == "published"
    assert double.models[model]["ready"] is True
    assert double.violations == []


def test_tasks_are_found_by_name_tag_status_and_page(session: Any) -> None:
    from clearml.backend_api.services import tasks

    for name, tags in (("alpha", ["a"]), ("beta", ["a", "b"]), ("gamma", [])):
        session.send(tasks.CreateRequest(name=name, type="inference", tags=tags))

    def names(**given: Any) -> list[str]:
        found = session.send(tasks.GetAllRequest(only_fields=["name"], **given)).response.tasks
        assert all(task.status is None for task in found)
        return [task.name for task in found]

    assert names() == ["alpha", "beta", "gamma"]
    assert names(name="^(al|be)") == ["alpha", "beta"]
    assert names(tags=["a", "-b"]) == ["alpha"]
    assert names(tags=["__$all", "a", "b"]) == ["beta"]
    assert names(order_by=["-name"], page=1, page_size=2) == ["alpha"]
    assert names(status=["completed"]) == []


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("tasks.create", {"type": "inference"}, "'name' is a required property"),
        ("tasks.create", {"name": "abc", "type": "nonsense"}, "nonsense"),
        ("tasks.create", {"name": "abc", "type": "inference", "nam": 1}, "not in the schema: nam"),
        ("tasks.started", {"task": 7}, "task: 7 is not of type 'string'"),
        ("tasks.invent", {}, "no such ClearML endpoint"),
        ("workers.get_all", {}, "not modelled by the double"),
        ("events.add", {"task": ABSENT, "type": "plott"}, "no such event type: 'plott'"),
        ("events.add", {"task": ABSENT, "type": "log", "level": "loud"}, "level"),
        ("events.add", {"type": "plot", "plot_str": "{}"}, "'task' is a required property"),
        ("events.add", {"task": ABSENT, "type": "plot", "plot_str": {}}, "plot_str"),
        ("projects.get_all", [1], "must be a JSON object"),
    ],
)
def test_what_breaks_a_schema_is_refused_and_remembered(
    double: ClearMLDouble, session: Any, name: str, body: Any, problem: str
) -> None:
    meta = raw(session, name, body)
    assert meta["result_code"] == 400
    assert problem in meta["result_msg"]
    assert [violation.name for violation in double.violations] == [name]
    assert problem in double.violations[0].problem


def test_a_version_newer_than_the_server_is_refused(double: ClearMLDouble, session: Any) -> None:
    meta = raw(session, "tasks.get_all", {}, version="9.9")
    assert (meta["result_code"], meta["result_subcode"]) == (400, 2)
    assert len(double.violations) == 1


def test_the_double_holds_its_own_answers_against_the_sdk() -> None:
    assert response_problem("tasks.create", (2, 23), {"id": "x"}) is None
    assert response_problem("tasks.create", (2, 23), {"id": 5}) is not None


def test_wait_for_sees_what_another_thread_sends(
    double: ClearMLDouble, session: Any, running_task: str
) -> None:
    from clearml.backend_api.services import events

    batch = events.AddBatchRequest(requests=[log_event(running_task, "from a thread")])
    sender = threading.Thread(target=session.send, args=(batch,))
    sender.start()
    assert double.wait_for(lambda: double.console(running_task)) == ["from a thread"]
    sender.join()
    with pytest.raises(TimeoutError, match=re.escape("events.add_batch -> 200")):
        double.wait_for(lambda: False, timeout=0.01)
