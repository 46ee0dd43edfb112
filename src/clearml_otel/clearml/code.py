"""The code that ran: repository, branch, commit, entry point or notebook, installed packages.

Everything here may run in a background thread or at interpreter exit, and never raises.
Source for the fields: ``clearml.backend_interface.task.repo.scriptinfo``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from clearml_otel.clearml.encoding import clean_text
from clearml_otel.clearml.entry_point import EntryPoint, find_entry_point
from clearml_otel.clearml.git import Checkout, find_checkout, uncommitted_diff, without_credentials

if sys.version_info >= (3, 11):
    from importlib import metadata
else:
    # Python 3.10's own knows few packages by the modules in them
    import importlib_metadata as metadata

MAX_SOURCE = 512_000
"""Characters of a stored diff or source."""

_PART_OF_PYTHON = {"pip", "setuptools"}
"""Installed everywhere, and left out by ClearML too."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """What ClearML shows on a task's Execution page.

    ``diff`` is the uncommitted diff, or the source where there is no commit to compare with; it is
    empty without ``store_code``. ``requirements_pip`` lists the packages that were imported.
    """

    repository: str = ""
    branch: str = ""
    version_num: str = ""
    entry_point: str = ""
    working_dir: str = "."
    diff: str = ""
    requirements_pip: str = ""
    binary: str = ""
    notebook: bool = False

    def as_script(self) -> dict[str, Any]:
        """The ``script`` of a ClearML task."""
        return {
            "repository": self.repository,
            "branch": self.branch,
            "version_num": self.version_num,
            "entry_point": self.entry_point,
            "working_dir": self.working_dir,
            "diff": self.diff,
            "binary": self.binary,
            "requirements": {"pip": self.requirements_pip, "conda": ""},
        }


def find_code(store_code: bool) -> CodeInfo:
    """Find the code that runs in this process.

    Args:
        store_code: whether the uncommitted diff, or the source, may be stored with the task.
    """
    entry = _or_else(EntryPoint, find_entry_point)
    checkout = _or_else(Checkout, lambda: find_checkout(entry.folder))
    info = CodeInfo(
        entry_point=entry.name,
        binary=f"python{sys.version_info.major}.{sys.version_info.minor}",
        notebook=entry.notebook,
        requirements_pip=_or_else(str, imported_packages),
    )
    if checkout.root:
        info = replace(
            info,
            repository=checkout.url,
            branch=checkout.branch,
            version_num=checkout.commit,
            working_dir=_or_else(lambda: ".", lambda: _working_dir(checkout.root)),
        )
        if entry.path:
            name = _or_else(lambda: entry.name, lambda: _relative_name(entry.path, info, checkout))
            info = replace(info, entry_point=name)
    if store_code:
        info = replace(info, diff=_or_else(str, lambda: _source(entry, checkout)))
    return _or_else(lambda: info, lambda: _overridden(info))


def imported_packages() -> str:
    """The distributions whose modules are loaded, as ClearML lists them: ``name == version``."""
    version = sys.version.replace("\n", " ").replace("\r", " ")
    imported = {name.partition(".")[0] for name in list(sys.modules)}
    names = {
        distribution
        for module, distributions in _distributions(tuple(sys.path)).items()
        if module in imported
        for distribution in distributions
    }
    listed = sorted(names - _PART_OF_PYTHON, key=str.lower)
    lines = [f"{name} == {metadata.version(name)}" for name in listed]
    return "\n".join([f"# Python {version}", "", *lines, ""])


@lru_cache(maxsize=1)
def _distributions(path: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """What is installed there, by module: a service may make a task a request, and this takes long.

    Args:
        path: ``sys.path``, where they are looked for.
    """
    return metadata.packages_distributions()


def _or_else(default: Callable[[], _T], find: Callable[[], _T]) -> _T:
    try:
        return find()
    except Exception:  # noqa: BLE001 - where code comes from is never worth an error
        return default()


def _source(entry: EntryPoint, checkout: Checkout) -> str:
    """The diff to the commit; the source itself for notebooks and where there is no commit."""
    if entry.notebook or not checkout.commit:
        text, what = entry.source(), "source"
    else:
        text, what = uncommitted_diff(checkout, entry.path, MAX_SOURCE + 1), "diff"
    text = clean_text(text)
    if len(text) <= MAX_SOURCE:
        return text
    note = f"\n# The {what} goes on; only its first {MAX_SOURCE:,} characters are stored.\n"
    return text[: MAX_SOURCE - len(note)] + note


def _working_dir(root: str) -> str:
    """The working directory inside the repository, ``"."`` where it is outside."""
    folder = Path.cwd().resolve()
    top = Path(root).resolve()
    return folder.relative_to(top).as_posix() if folder.is_relative_to(top) else "."


def _relative_name(path: str, info: CodeInfo, checkout: Checkout) -> str:
    """The entry point as seen from the working directory, as ``clearml-agent`` starts it."""
    base = Path(checkout.root).resolve() / info.working_dir
    return Path(os.path.relpath(Path(path).resolve(), base)).as_posix()


def _overridden(info: CodeInfo) -> CodeInfo:
    """Where an image holds no repository, ClearML's own variables say what was built into it."""
    variables = {
        "repository": "CLEARML_VCS_REPO_URL",
        "branch": "CLEARML_VCS_BRANCH",
        "version_num": "CLEARML_VCS_COMMIT_ID",
        "working_dir": "CLEARML_VCS_WORK_DIR",
        "entry_point": "CLEARML_VCS_ENTRY_POINT",
    }
    given = {field: os.environ.get(name, "") for field, name in variables.items()}
    given["repository"] = without_credentials(given["repository"])
    return replace(info, **{field: value for field, value in given.items() if value})
