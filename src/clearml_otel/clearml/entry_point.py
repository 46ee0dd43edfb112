"""How this process was started: a script, ``-m module``, ``-c``, a notebook, a console, a tool."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_READ = 2_000_000

_MAGIC = re.compile(r"^([ \t]*)get_ipython\(\)", re.MULTILINE)
"""IPython's magics and shell commands, which aren't Python outside of it."""


def _no_source() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """What was started.

    ``name`` is what ClearML shows, ``folder`` where to look for a repository, ``path`` the script,
    unless it belongs to an installed tool, ``source`` gives its text.
    """

    name: str = ""
    folder: str = ""
    path: str = ""
    notebook: bool = False
    source: Callable[[], str] = _no_source


def _main_file() -> str:
    file: object = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.abspath(file) if isinstance(file, str) and file else ""


_FILE_AT_IMPORT = _main_file()
"""Python forgets a script's path when the script ends, before threads and exit handlers do."""


def find_entry_point() -> EntryPoint:
    """How this process was started, by what the interpreter and IPython remember."""
    shell = _ipython_shell()
    if shell is not None:
        return _ipython(shell)
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    file = _main_file() or _FILE_AT_IMPORT
    module = str(getattr(spec, "name", None) or "")
    if module == "__main__":  # a folder or archive was started
        return _script(os.path.abspath(sys.argv[0] or file))
    if module:
        return _module(module, file)
    if file:
        return _script(file)
    return _console()


def _script(path: str) -> EntryPoint:
    name = os.path.basename(path)
    if _is_installed(path):
        return EntryPoint(name=name, folder=os.getcwd())
    return EntryPoint(
        name=name, folder=os.path.dirname(path), path=path, source=lambda: _read_file(path)
    )


def _module(name: str, file: str) -> EntryPoint:
    shown = f"-m {name.removesuffix('.__main__')}"
    if not file or _is_installed(file):
        return EntryPoint(name=shown, folder=os.getcwd())
    return EntryPoint(name=shown, folder=os.path.dirname(file), source=lambda: _read_file(file))


def _console() -> EntryPoint:
    """``-c``, a program read from standard input, or an interactive interpreter."""
    if sys.argv[:1] != ["-c"]:
        return EntryPoint(name="<stdin>", folder=os.getcwd())
    _, _, code = "\0".join(sys.orig_argv).partition("\0-c\0")
    return EntryPoint(name="-c", folder=os.getcwd(), source=lambda: code.partition("\0")[0])


def _ipython_shell() -> Any:
    """The running IPython shell, if there is one; IPython isn't imported for it."""
    module = sys.modules.get("IPython")
    get_shell = getattr(module, "get_ipython", None)
    return get_shell() if callable(get_shell) else None


def _ipython(shell: Any) -> EntryPoint:
    """A notebook, or IPython in a terminal; the cells that were executed are its source."""
    namespace: dict[str, Any] = shell.user_ns
    cells = [str(cell) for cell in list(namespace.get("In", []))]

    def source() -> str:
        text = "\n\n".join(cell.strip("\n") for cell in cells if cell.strip())
        return _MAGIC.sub(r"\1# get_ipython()", text) + "\n"

    if getattr(shell, "kernel", None) is None:
        return EntryPoint(name="<ipython>", folder=os.getcwd(), source=source)
    path = str(namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "")
    folder = os.path.dirname(path) if os.path.isabs(path) else os.getcwd()
    stem = os.path.basename(path).removesuffix(".ipynb") or "notebook"
    return EntryPoint(
        name=f"{stem.removesuffix('.py')}.py",
        folder=folder if os.path.isdir(folder) else os.getcwd(),
        notebook=True,
        source=source,
    )


def _is_installed(path: str) -> bool:
    """Whether a file belongs to an installed tool, such as ``pytest``, and not to the user."""
    keys = ("scripts", "purelib", "platlib", "stdlib")
    installed = {Path(sysconfig.get_path(key)).resolve() for key in keys}
    return any(folder in Path(path).resolve().parents for folder in installed)


def _read_file(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_READ)
