"""Files of an offline session: appended to, replaced as a whole, packed; private to their owner."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600

TASK_FILE = "task.json"
METRICS_FILE = "metrics.jsonl"
LOG_FILE = "log.jsonl"


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, readable by their owner only."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append a line in one write, so that neither a crash nor another process tears it apart.

    If the disk is full the part that was written is taken back. A torn last line, left by a process
    that was killed, is closed first.
    """
    data = line.encode("ascii") + b"\n"
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, PRIVATE_FILE)
    try:
        start = os.lseek(descriptor, 0, os.SEEK_END)
        if start:
            os.lseek(descriptor, -1, os.SEEK_END)
            data = data if os.read(descriptor, 1) == b"\n" else b"\n" + data
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, memoryview(data)[written:])
        except OSError:
            if written and os.fstat(descriptor).st_size == start + written:
                os.ftruncate(descriptor, start)
            raise
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file aside and move it into place: readers see the old one or the new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None, None, None]:
    """Keep other processes, such as forked children, from changing the session at the same time."""
    if sys.platform == "win32":  # which has no fork and cannot lock a folder
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_task(folder: Path) -> dict[str, Any]:
    """The session's ``task.json``.

    Raises:
        OSError: there is none, or it cannot be read.
        ValueError: it is not a JSON object.
    """
    task: object = json.loads((folder / TASK_FILE).read_bytes())
    if not isinstance(task, dict):
        raise ValueError(f"{TASK_FILE} holds no JSON object")
    return cast("dict[str, Any]", task)


def write_task(folder: Path, task: dict[str, Any]) -> None:
    """Replace the session's ``task.json``, sorted as ClearML's SDK writes it."""
    replace_file(folder / TASK_FILE, json.dumps(task, sort_keys=True).encode("ascii"))


def pack(folder: Path) -> Path:
    """Pack a session into the ``.zip`` next to it, in the layout that ClearML imports."""
    target = folder.with_name(f"{folder.name}.zip")
    descriptor, name = tempfile.mkstemp(dir=folder.parent, prefix=f".{target.name}.")
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive,
        ):
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    archive.write(path, path.relative_to(folder).as_posix())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return target
