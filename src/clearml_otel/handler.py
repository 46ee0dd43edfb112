"""The class of LangChain's ClearML page, on top of everything else in this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearml_otel import ownership
from clearml_otel.diagnostics import report
from clearml_otel.langchain import LangChainSpanHandler
from clearml_otel.langchain.evaluation_events import EvaluationEvents
from clearml_otel.readability import Measurer
from clearml_otel.settings import Settings
from clearml_otel.tracker import Tracker

_AFTER_FINISH = (
    "this ClearMLCallbackHandler was closed by flush_tracker(finish=True): runs are not recorded "
    "any more; create a new handler to go on logging"
)


class ClearMLCallbackHandler(LangChainSpanHandler):
    """Logs LangChain runs to a ClearML task.

    Takes the place of ``langchain_community.callbacks.ClearMLCallbackHandler``: change the import.
    The runs become OpenTelemetry spans, on the application's tracer provider where it has set one,
    and the task's tables are made from those spans.

    Args:
        task_type: one of ClearML's task types.
        project_name: the ClearML project, at least 3 characters.
        tags: the task's tags.
        task_name: the task's name, at least 3 characters; the program's name by default.
        visualize: make displaCy pages of every answer.
        complexity_metrics: compute readability metrics of every answer.
        stream_logs: print each record to stdout and log it to ClearML's console.
    """

    def __init__(
        self,
        task_type: str | None = "inference",
        project_name: str | None = "langchain_callback_demo",
        tags: Sequence[str] | None = None,
        task_name: str | None = None,
        visualize: bool = False,
        complexity_metrics: bool = False,
        stream_logs: bool = False,
    ) -> None:
        settings = Settings.load_or_repair(
            task_type=task_type,
            project_name=project_name,
            tags=tags,
            task_name=task_name,
            visualize=visualize,
            complexity_metrics=complexity_metrics,
            stream_logs=stream_logs,
            store_code=True,
        )
        self.tracker = Tracker(settings)
        super().__init__(
            ownership.serve(self.tracker),
            measure=Measurer(settings.readability) if settings.complexity_metrics else None,
            max_words=settings.readability_max_words,
            evaluation_events=EvaluationEvents() if settings.evaluation_events else None,
            capture_content=settings.capture_content,
            max_content_length=settings.max_content_length,
            capture_media=settings.capture_media,
            owner=self.tracker,
            on_closed=_warn_after_finish,
        )

    def flush_tracker(
        self, name: str | None = None, langchain_asset: Any = None, finish: bool = False
    ) -> None:
        """Publish the tables of everything since the last flush; counting begins again.

        Args:
            name: the series of the tables and the name of the model; a name used before gets a
                number, so that both tables stay readable.
            langchain_asset: a model, chain, agent or graph to keep as an output model.
            finish: complete the task; this handler records nothing more.
        """
        if finish:
            self.spans.close()
        self.tracker.flush(name, langchain_asset, finish)
        if finish:
            ownership.forget(self.tracker)


def _warn_after_finish() -> None:
    report("handler.finished", _AFTER_FINISH)
