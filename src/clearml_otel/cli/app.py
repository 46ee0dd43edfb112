"""The ``clearml-otel`` command: its options, and one line on stderr for what goes wrong.

Every command imports what it needs when it runs, so that ``--help`` is quick and ``replay`` and
``show`` load no LangChain.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn, cast

import typer

from clearml_otel.cli.errors import EXIT_STATUS, CommandError
from clearml_otel.version import __version__

PROGRAM = "clearml-otel"

# the base of Typer's usage errors, which it has from Click or from its own copy of Click
_USAGE_ERROR = cast("type[Exception]", typer.BadParameter.__bases__[0])

app = typer.Typer(
    name=PROGRAM,
    help="LangChain callbacks as OpenTelemetry spans, and spans as ClearML's tables.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, or 2 after one line on stderr.

    Args:
        arguments: what follows the program's name; None takes ``sys.argv``.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # what the terminal's encoding lacks is escaped, not an error
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments) or ["--help"]))


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        status = command.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except CommandError as error:
        return _fail(*error.messages)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # the reader, such as `head`, has seen enough; the interpreter must not flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _USAGE_ERROR as error:
        return _fail(f"{_usage_message(error)}: see {PROGRAM} --help")
    return status if isinstance(status, int) else 0


def _usage_message(error: Exception) -> str:
    described = getattr(error, "format_message", None)
    return str(described() if callable(described) else error).strip().rstrip(".")


def _fail(*messages: str) -> int:
    for message in messages:
        line = " ".join(message.split())
        sys.stderr.write(f"{PROGRAM}: {line}\n")
    return EXIT_STATUS


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """LangChain callbacks as OpenTelemetry spans, and spans as ClearML's tables."""


@app.command()
def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where the session goes; ClearML's folder of offline sessions by default.",
        ),
    ] = None,
) -> None:
    """Run both scenarios of the ClearML page, offline: no key, no server, no network."""
    from clearml_otel.cli.demo import run_demo

    run_demo(output)


@app.command()
def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Files of spans as OTLP JSON lines.")
    ],
    project: Annotated[str | None, typer.Option(help="The ClearML project.")] = None,
    task_name: Annotated[str | None, typer.Option(help="The ClearML task.")] = None,
    session: Annotated[
        list[str] | None,
        typer.Option(help="Name of a session, in the order of their starts; repeatable."),
    ] = None,
) -> None:
    """Rebuild the tables from archived spans and publish them to ClearML."""
    from clearml_otel.cli.replay import run_replay

    run_replay(files, project=project, task_name=task_name, sessions=session or [])


@app.command()
def show(
    session: Annotated[
        Path, typer.Argument(metavar="SESSION", help="An offline session: its folder or .zip.")
    ],
    wide: Annotated[
        bool, typer.Option("--wide", "-w", help="Every column in full, a row a line.")
    ] = False,
    transpose: Annotated[
        bool, typer.Option("--transpose", "-t", help="Every column in full, a column a line.")
    ] = False,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Only these columns, in this order.")
    ] = None,
    rows: Annotated[int, typer.Option(min=0, help="At most so many rows; 0 for all.")] = 50,
) -> None:
    """Print the tables of an offline session."""
    from clearml_otel.cli.show import run_show

    picked = [name.strip() for name in (columns or "").split(",") if name.strip()]
    run_show(session, wide=wide, transpose=transpose, columns=picked, max_rows=rows)


@app.command()
def upload(
    sessions: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[SESSION]...", help="Offline sessions, folders or .zip; none for the spool."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also spans that were meant for another server.")
    ] = False,
) -> None:
    """Deliver to ClearML what waits: the spans that ended processes left, or offline sessions."""
    from clearml_otel.cli.upload import run_upload

    run_upload(sessions or [], everything=everything)


@app.command()
def doctor(
    timeout: Annotated[
        float, typer.Option(min=0.1, max=60.0, help="Seconds that the server is waited for.")
    ] = 5.0,
) -> int:
    """Say what is set, whether ClearML answers, what waits and why, and what to do."""
    from clearml_otel.cli.doctor import run_doctor

    return run_doctor(timeout)
