"""The whole SDK against the double: Task.init, offline sessions, APIClient, other processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from support.clearml_double import STATE_PATH, ClearMLDouble, Table
from support.clearml_double.sample_events import log_event

TESTS = Path(__file__).parents[2]

REPORT = """
import sys
from clearml import OutputModel, Task

Task._report_subprocess_enabled = False
task = Task.init(project_name="demo project", task_name="live", task_type="inference",
                 reuse_last_task_id=False, auto_connect_frameworks={"detect_repository": False},
                 auto_resource_monitoring=False, output_uri=not Task.is_offline())
logger = task.get_logger()
logger.report_table("Action Records", "first", 0, table_plot=[["step", "action"], [1, "a"]])
logger.report_scalar("Tokens", "total", value=7, iteration=1)
logger.report_single_value("cost", 0.5)
logger.report_text("console line", print_console=False)
task.upload_artifact("things", {"a": 1}, wait_on_upload=True)
task.set_configuration_object("settings", config_text="a = 1")
task.set_parameters({"Args/x": 1})
task.add_tags(["added"])
with open("weights.json", "w") as file:
    file.write("{}")
logger.report_media("pages", "page", iteration=0, local_path="weights.json")
model = OutputModel(task=task, name="asset", framework="LangChain")
if Task.is_offline():
    model._floating_data.locked = False
model.update_weights("weights.json", auto_delete_file=False)
task.flush(wait_for_uploads=True)
"""

READ_BACK = """
import json
print(json.dumps({
    "scalars": task.get_reported_scalars(),
    "single": task.get_reported_single_values(),
    "plots": [plot["metric"] for plot in task.get_reported_plots()],
    "artifact": task.artifacts["things"].get(),
    "model": task.get_models()["output"][0].url,
    "found": [item.name for item in Task.get_tasks(project_name="demo project")],
}), file=sys.stderr)
task.close()
"""

OFFLINE = """
print(task.get_offline_mode_folder(), file=sys.stderr)
task.close()
"""

IMPORT = """
import sys
from clearml import Task

Task._report_subprocess_enabled = False
print(Task.import_offline_session(sys.argv[1]), file=sys.stderr)
"""


def run_client(double: ClearMLDouble, program: str, *arguments: str, **extra: str) -> str:
    """Run a client program in the double's folder; returns the last line of its stderr."""
    script = double.home / "client.py"
    script.write_text(program)
    result = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=double.client_environ(**extra),
        cwd=double.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stderr.strip().splitlines()[-1]


def check_reported(double: ClearMLDouble, task: dict[str, Any]) -> None:
    task_id = task["id"]
    assert task["status"] == "completed"
    assert double.tables(task_id) == {
        ("Action Records", "first", 0): Table(["step", "action"], [[1, "a"]])
    }
    scalars = double.events(task_id, "training_stats_scalar")
    assert {(event["metric"], event["variant"], event["value"]) for event in scalars} == {
        ("Tokens", "total", 7),
        ("Summary", "cost", 0.5),
    }
    assert any("console line" in text for text in double.console(task_id))
    assert [item["key"] for item in task["execution"]["artifacts"]] == ["things"]
    assert task["configuration"]["settings"]["value"] == "a = 1"
    assert task["hyperparams"]["Args"]["x"]["value"] == "1"
    assert task["tags"] == ["added"]
    assert [event["type"] for event in double.events(task_id, "training_debug_image")] == [
        "training_debug_image"
    ]
    uploads = {Path(path).name: content for path, content in double.files.items()}
    assert json.loads(uploads["things.json"]) == {"a": 1}
    assert [model["name"] for model in double.models.values()] == ["asset"]
    assert double.violations == []
    assert double.rejected == []


def test_task_init_reports_and_reads_back(double: ClearMLDouble) -> None:
    answer = json.loads(run_client(double, REPORT + READ_BACK))
    assert answer["scalars"] == {"Tokens": {"total": {"name": "total", "x": [1], "y": [7]}}}
    assert answer["single"] == {"cost": 0.5}
    assert answer["plots"] == ["Action Records"]
    assert answer["artifact"] == {"a": 1}
    path = unquote(answer["model"]).removeprefix(double.files_url + "/")
    assert double.files[path] == b"{}"
    assert answer["found"] == ["live"]
    check_reported(double, double.task_by_name("live"))


def test_an_offline_session_of_the_sdk_is_imported(double: ClearMLDouble) -> None:
    folder = run_client(double, REPORT + OFFLINE, CLEARML_OFFLINE_MODE="1")
    assert double.requests == []
    task_id = run_client(
        double, IMPORT, f"{folder}.zip" if Path(f"{folder}.zip").is_file() else folder
    )
    assert set(double.tasks) == {task_id}
    check_reported(double, double.tasks[task_id])


def test_api_client_is_served(double: ClearMLDouble, session: Any) -> None:
    from clearml.backend_api.session.client import APIClient, APIError, StrictSession

    client = APIClient(session=StrictSession())
    project = client.projects.create(name="llm", description="").id
    task = client.tasks.create(name="from the client", type="inference", project=project)
    client.tasks.started(task=task.id)
    assert client.events.add_batch(requests=[log_event(task.id, "line")]).added == 1
    assert [item.name for item in client.tasks.get_all(project=[project])] == ["from the client"]
    assert client.tasks.get_by_id(task=task.id).status.value == "in_progress"
    client.tasks.completed(task=task.id)
    with pytest.raises(APIError) as error:
        client.projects.create(name="llm")
    assert error.value.codes == (400, 801)
    client.tasks.delete(task=task.id, force=True)
    assert (double.tasks, double.events()) == ({}, [])
    assert double.violations == []


HOSTS = """
import json, sys
from clearml.backend_api.session import Session

session = Session()
config = [Session.get_files_server_host(), Session.get_app_server_host()]
print(json.dumps([session.host, session.access_key, *config]), file=sys.stderr)
"""


def test_nothing_of_the_users_own_configuration_leaks_in(
    double: ClearMLDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = 'api { api_server: "http://own.invalid", credentials { access_key: "own" } }'
    (tmp_path / "clearml.conf").write_text(own)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLEARML_AUTH_TOKEN", "own-token")
    monkeypatch.setenv("TRAINS_API_HOST", "http://own.invalid")
    monkeypatch.setenv("CLEARML_OFFLINE_MODE", "1")
    monkeypatch.setenv("HTTP_PROXY", "http://own.invalid")
    expected = [double.api_url, double.accounts.access_key, double.files_url, double.web_url]
    assert json.loads(run_client(double, HOSTS)) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["clearml.conf"]
    assert [request.name for request in double.requests] == ["auth.login"]


def test_the_double_runs_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "support.clearml_double"]
    with subprocess.Popen(
        command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        env = json.loads(process.stdout.readline())
        pair = env["CLEARML_API_ACCESS_KEY"], env["CLEARML_API_SECRET_KEY"]
        login = requests.get(f"{env['CLEARML_API_HOST']}/auth.login", auth=pair, timeout=5)
        token = login.json()["data"]["token"]
        requests.post(
            f"{env['CLEARML_API_HOST']}/v2.23/tasks.create",
            json={"name": "from afar", "type": "inference"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=5,
        )
        state = requests.get(env["CLEARML_WEB_HOST"] + STATE_PATH, timeout=5).json()
        assert [task["name"] for task in state["tasks"].values()] == ["from afar"]
        assert state["requests"] == ["auth.login 200", "tasks.create 200"]
        assert state["violations"] == []
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert not Path(env["HOME"]).exists()
