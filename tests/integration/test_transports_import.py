"""Offline sessions as ClearML's own SDK reads and writes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.clearml.offline import OfflineTransport
from support.clearml_double import ClearMLDouble
from support.transport_calls import (
    ARTIFACTS,
    CODE,
    MEDIA,
    MODELS,
    SPEC,
    TABLE,
    TESTS,
    anonymous,
    last_writes,
    run_client,
    session_events,
    use,
)


@pytest.fixture
def double() -> Iterator[ClearMLDouble]:
    with ClearMLDouble() as running:
        yield running


@pytest.mark.parametrize("way", ["zip", "folder", "moved"])
def test_the_sdk_imports_the_session(double: ClearMLDouble, tmp_path: Path, way: str) -> None:
    offline = OfflineTransport(SPEC, folder=tmp_path / "sessions")
    use(offline)
    folder = Path(offline.location)
    written = session_events(offline.location)
    offline.close("failed", "as the application")
    path = {"zip": Path(offline.location), "folder": folder}.get(way)
    if path is None:
        path = Path(offline.location).rename(tmp_path / "moved.zip")
        folder.parent.rename(tmp_path / "gone")

    program = "import sys\nfrom clearml import Task\nTask.import_offline_session(sys.argv[1])"
    run_client(double, program, str(path))
    task = double.task_by_name(SPEC.task_name)
    assert anonymous(double.events(task["id"])) == anonymous(last_writes(written))
    assert (task["status"], task["type"]) == ("completed", SPEC.task_type)
    assert (task["tags"], task["comment"]) == (list(SPEC.tags), SPEC.comment)
    assert double.projects[task["project"]]["name"] == SPEC.project_name
    assert task["script"] == CODE.as_script()
    assert task["configuration"]["settings"]["value"] == "x = 1\né"
    assert task["hyperparams"]["Args"]["model.name"]["value"] == "a"
    _check_imported_files(double, task)
    assert double.violations == []


def _check_imported_files(double: ClearMLDouble, task: dict[str, Any]) -> None:
    """Artifacts, and as such also models, are uploaded wherever the import runs."""
    expected = {name: artifact.data for name, artifact in ARTIFACTS.items()}
    expected |= {f"model {name}": model.data for name, model in MODELS.items()}
    uris = {each["key"]: each["uri"] for each in task["execution"]["artifacts"]}
    prefix = f"{double.files_url}/"
    assert {k: double.files[uri.removeprefix(prefix)] for k, uri in uris.items()} == expected
    linked = {each["name"]: double.models[each["model"]] for each in task["models"]["output"]}
    assert linked.keys() == MODELS.keys()
    for name, model in linked.items():
        assert model["name"] == name
        assert f"the artifact 'model {name}' of the task" in model["comment"]
    (sample,) = double.events(task["id"], "training_debug_image")
    assert f".{task['id']}/metrics/" in sample["key"]
    assert double.files[sample["url"].removeprefix(prefix)] == MEDIA.data


SDK_SESSION = """
import sys
from pathlib import Path
from clearml import Task
Task._report_subprocess_enabled = False
task = Task.init(project_name="demo project", task_name="app task", reuse_last_task_id=False,
                 auto_connect_frameworks={"detect_repository": False},
                 auto_resource_monitoring=False)
task.upload_artifact("theirs", {"a": 1}, wait_on_upload=True)

from clearml_otel.clearml.offline import OfflineTransport
from support.transport_calls import SPEC, use
transport = OfflineTransport(SPEC, attach_folder=Path(task.get_offline_mode_folder()))
assert use(transport) == task.id
transport.close("failed", "not ours to close")

task.upload_artifact("theirs too", {"a": 1}, wait_on_upload=True)
task.set_parameter("Theirs/x", 1)  # set_parameters would take away the others
task.get_logger().report_table("Theirs", "table", 0, table_plot=[["a"], [1]])
task.close()
print(task.get_offline_mode_folder())
"""


def test_an_offline_task_of_the_applications_keeps_both_sides(double: ClearMLDouble) -> None:
    path = double.home / "client.py"
    path.write_text(SDK_SESSION)
    environ = double.client_environ(PYTHONPATH=str(TESTS), CLEARML_OFFLINE_MODE="1")
    done = subprocess.run(
        [sys.executable, str(path)], env=environ, capture_output=True, text=True, check=True
    )
    folder = done.stdout.splitlines()[-1]
    program = "import sys\nfrom clearml import Task\nTask.import_offline_session(sys.argv[1])"
    run_client(double, program, f"{folder}.zip")
    task = double.task_by_name("app task")
    assert task["status"] == "completed"
    assert double.tables(task["id"]).keys() == {TABLE, ("Theirs", "table", 0)}
    artifacts = {each["key"] for each in task["execution"]["artifacts"]}
    assert artifacts == {*ARTIFACTS, *(f"model {name}" for name in MODELS), "theirs", "theirs too"}
    assert {"Theirs", "Args"} <= task["hyperparams"].keys()
    assert "line é two" in "\n".join(double.console(task["id"]))
    assert double.violations == []
