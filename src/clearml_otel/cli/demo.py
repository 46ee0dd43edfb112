"""``clearml-otel demo``: the ClearML page from end to end, on this machine alone."""

from __future__ import annotations

import os
import shlex
import tempfile
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

from clearml_otel.clearml.offline import default_root
from clearml_otel.cli.errors import CommandError
from clearml_otel.cli.show import open_session, print_session, stdout_console
from clearml_otel.cli.tables import View
from clearml_otel.settings import ENV_PREFIX

_NEEDED = ("langchain_core", "langchain_classic", "langchain_openai")
_ROWS = 8


def run_demo(output: Path | None) -> None:
    """Run the page's two scenarios, print what the page prints, and say where the session is.

    Args:
        output: the folder of the session; None for ClearML's folder of offline sessions.

    Raises:
        CommandError: without the ``demo`` extra, or where the folder cannot be written.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"the demo runs the real LangChain, and {', '.join(missing)} is not installed: "
            'run pip install "clearml-otel[demo]"'
        )
    _go_offline(output)
    location = _run_scenarios()
    _print_results(stdout_console(), location)


def _go_offline(output: Path | None) -> None:
    configured = os.environ.get(f"{ENV_PREFIX}OFFLINE_FOLDER")
    folder = output or (Path(configured) if configured else default_root())
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"cannot write the session to {folder} ({error.strerror}): "
            "name another folder with --output"
        ) from error
    # settings for other programs, such as a sampler, must not bend what the demo shows
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    os.environ["CLEARML_OFFLINE_MODE"] = "1"
    os.environ[f"{ENV_PREFIX}OFFLINE_FOLDER"] = str(folder)


def _run_scenarios() -> Path:
    from langchain_core.callbacks import StdOutCallbackHandler

    from clearml_otel import ClearMLCallbackHandler
    from clearml_otel.demo import page
    from clearml_otel.demo.openai_server import loopback_openai
    from clearml_otel.demo.scenarios import agent_with_tools, just_an_llm

    handler = ClearMLCallbackHandler(
        task_type="inference",
        project_name="langchain_callback_demo",
        task_name="llm",
        tags=["test"],
        complexity_metrics=True,
        stream_logs=True,
    )
    callbacks = [StdOutCallbackHandler(), handler]
    with loopback_openai(page.answer):
        llm = just_an_llm(callbacks)
        handler.flush_tracker(langchain_asset=llm, name="simple_sequential")
        agent = agent_with_tools(callbacks)
        handler.flush_tracker(langchain_asset=agent, name="Agent with Tools", finish=True)
    if not handler.tracker.location:
        raise CommandError("the session could not be written: see the messages above")
    return Path(handler.tracker.location)


def _print_results(console: Console, location: Path) -> None:
    session = open_session(location)
    console.print()
    console.rule("What reached ClearML", characters="-")
    print_session(console, session, View(max_rows=_ROWS, hints=False))
    lines = [
        "",
        f"The session is in {location}",
        "To see all of it:",
        f"  clearml-otel show {shlex.quote(str(location))}",
        "To upload it, once clearml-init has stored your ClearML credentials:",
        f"  clearml-otel upload {shlex.quote(str(location))}",
    ]
    for line in lines:
        console.print(Text(line), soft_wrap=True)
