"""An application with a ClearML task of its own, and our handler beside it."""

from __future__ import annotations

from clearml import Task

# the SDK's default is to fork its reporter, which takes it seconds to close
Task._report_subprocess_enabled = False
task = Task.init(
    project_name="the application",
    task_name="its own task",
    reuse_last_task_id=False,
    auto_connect_frameworks={"detect_repository": False},
    auto_resource_monitoring=False,
)
task.set_configuration_object("the application's", config_text="kept = yes")

from langchain_core.language_models.fake import FakeListLLM  # noqa: E402

from clearml_otel import ClearMLCallbackHandler  # noqa: E402

handler = ClearMLCallbackHandler(task_name="never made", project_name="never made")
model = FakeListLLM(responses=["an answer"], callbacks=[handler])
model.invoke("a question")
handler.flush_tracker("asked", langchain_asset=model, finish=True)
assert handler.tracker.task_id == task.id, handler.tracker.task_id
status = task.get_status() if not Task.is_offline() else "in_progress"
print(f"after finish: {status}")
task.get_logger().report_single_value("the application goes on", 1.0)
task.close()
