"""``clearml-otel show``: an offline session's tables on the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from clearml_otel.clearml.sessions import OfflineSession, SessionError, Table, read_session
from clearml_otel.cli.errors import CommandError
from clearml_otel.cli.tables import View, cell_text, print_table

METRICS = ("Action Records", "Session Analysis")
"""The tables that are shown, in this order for each session."""

_WIDTH_OF_FILES = 120


def run_show(
    path: Path,
    *,
    wide: bool = False,
    transpose: bool = False,
    columns: Sequence[str] = (),
    max_rows: int = 0,
) -> None:
    """Print the tables of a session.

    Args:
        path: the session's folder or ``.zip``.
        wide: whether every column is written in full.
        transpose: whether rows are written one below the other, in full.
        columns: the columns to show; empty for all.
        max_rows: how many rows of each table at most; 0 for all.

    Raises:
        CommandError: for a path that is no session, one without the tables, and columns that
            none of them has.
    """
    if wide and transpose:
        raise CommandError("--wide and --transpose are two ways to show a table: give one of them")
    session = open_session(path)
    tables = tables_to_show(session)
    if not tables:
        raise CommandError(f"{path} has no action records: is it another program's session?")
    _check_columns(columns, tables)
    layout = "wide" if wide else "transposed" if transpose else "fitted"
    print_session(stdout_console(), session, View(layout, tuple(columns), max_rows))


def open_session(path: Path) -> OfflineSession:
    """Read a session.

    Raises:
        CommandError: if it cannot be read.
    """
    try:
        return read_session(path)
    except SessionError as error:
        raise CommandError(str(error)) from error


def stdout_console() -> Console:
    """A console on stdout that is as wide as the terminal, or 120 where there is none."""
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_FILES
    return console


def tables_to_show(session: OfflineSession) -> list[Table]:
    """Both tables of every named session, in the order in which the names were first written.

    Raises:
        CommandError: if a table is damaged.
    """
    try:
        tables = session.tables()
    except SessionError as error:
        raise CommandError(str(error)) from error
    names = list(dict.fromkeys(table.variant for table in tables if table.metric in METRICS))
    return sorted(
        (table for table in tables if table.metric in METRICS),
        key=lambda table: (
            names.index(table.variant),
            table.iteration,
            METRICS.index(table.metric),
        ),
    )


def print_session(console: Console, session: OfflineSession, view: View) -> None:
    """Print what the session is and its tables.

    Args:
        console: where to.
        session: the session.
        view: how tables are shown.
    """
    task = session.task
    parts = [task.get("project_name"), task.get("name"), task.get("status")]
    console.print(Text(" / ".join(cell_text(part) for part in parts if part), style="bold"))
    for note in session.notes:
        console.print(Text(note, style="dim"))
    for table in tables_to_show(session):
        console.print()
        console.print(Text(title_of(table), style="bold"))
        shown = tuple(column for column in view.columns if column in table.columns)
        if view.columns and not shown:
            console.print(Text("none of these columns", style="dim"))
            continue
        print_table(console, table.columns, table.rows, replace(view, columns=shown))


def title_of(table: Table) -> str:
    """A table's name and size: ``Action Records, simple_sequential: 24 rows x 39 columns``."""
    part = f" ({table.iteration})" if table.iteration else ""
    name = f"{table.metric}, {cell_text(table.variant)}{part}"
    rows, columns = len(table.rows), len(table.columns)
    return f"{name}: {rows} row{'s' * (rows != 1)} x {columns} column{'s' * (columns != 1)}"


def _check_columns(columns: Iterable[str], tables: Sequence[Table]) -> None:
    known = dict.fromkeys(column for table in tables for column in table.columns)
    for column in columns:
        if column not in known:
            raise CommandError(f"no column {column!r}: there are {', '.join(known)}")
