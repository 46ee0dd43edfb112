"""The folder of the spools: where it is, whose files lie in it, and which process owns each."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

SUFFIX: Final = ".spool"
_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600


class SpoolFolderError(OSError):
    """The folder cannot be used; the message says why."""


def candidates(given: str) -> list[Path]:
    """The folders where a spool may be, the first that can be written is taken.

    Args:
        given: the setting ``spool_folder``; empty for the platform's folder of program states.
    """
    user = os.getuid() if hasattr(os, "getuid") else "user"
    own = Path(given) if given else user_state_path("clearml-otel", appauthor=False) / "spool"
    # without a home the folder of states would be one below the current one
    folders = [own] if own.is_absolute() else []
    return [*folders, Path(tempfile.gettempdir()) / f"clearml-otel-{user}"]


def make_folder(folder: Path) -> None:
    """Make a folder that nobody else can read or write.

    Raises:
        OSError: it cannot be made, or belongs to somebody else.
    """
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    if hasattr(os, "getuid"):
        status = folder.stat()
        # in the folder for temporary files anybody may have made it, or a link to one of ours
        if status.st_uid != os.getuid() or folder.lstat().st_uid not in {os.getuid(), 0}:
            raise SpoolFolderError(f"{folder} belongs to another user")
        if status.st_mode & 0o077:
            folder.chmod(_PRIVATE_FOLDER)


def new_path(folder: Path) -> Path:
    """A name that no other process uses."""
    return folder / f"{os.getpid()}-{uuid.uuid4().hex}{SUFFIX}"


def spools(folder: Path) -> list[Path]:
    """The spools in a folder, oldest first; empty where there is no folder."""
    with contextlib.suppress(OSError):
        found = [path for path in folder.iterdir() if path.suffix == SUFFIX]
        return sorted(found, key=_modified)
    return []


def _modified(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def remove(path: Path) -> None:
    """Delete a spool with the files beside it, its lock last."""
    for each in (path, *_beside(path), _lock_path(path)):
        with contextlib.suppress(OSError):
            each.unlink()


def set_aside(path: Path) -> Path:
    """Rename a damaged spool so that nobody opens it again."""
    aside = path.with_name(f"{path.name}.corrupt")
    os.replace(path, aside)
    for each in _beside(path):
        with contextlib.suppress(OSError):
            os.replace(each, each.with_name(f"{each.name}.corrupt"))
    with contextlib.suppress(OSError):
        _lock_path(path).unlink()
    return aside


def size(path: Path) -> int:
    """Bytes on disk."""
    total = 0
    for each in (path, *_beside(path)):
        with contextlib.suppress(OSError):
            total += each.stat().st_size
    return total


class Ownership:
    """The exclusive lock on one spool; it ends with the process, however that ends.

    The lock is on a file of its own: SQLite gives up its locks when anybody in the process closes
    the database's file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others take the spool; in a forked child, leave it to the parent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def own(path: Path, *, new: bool = False) -> Ownership | None:
    """Take the lock of a spool; None where another process has it, or has just finished it.

    Args:
        path: the spool.
        new: whether the spool is about to be made.

    Raises:
        OSError: the lock's file cannot be made.
    """
    lock = _lock_path(path)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
    try:
        if _locked(descriptor) and (new or (path.exists() and _same(lock, descriptor))):
            return Ownership(descriptor)
        gone = not new and not path.exists()
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    if gone:
        with contextlib.suppress(OSError):
            lock.unlink()
    return None


def prepared(path: Path) -> None:
    """Make the database's file before SQLite does, which would make it readable by others."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    os.close(descriptor)


def _locked(descriptor: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _same(lock: Path, descriptor: int) -> bool:
    """Whether the file is still the one that was opened: its last owner may have deleted it."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _beside(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))
