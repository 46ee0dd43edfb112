"""What git says about a folder: read-only, without a prompt, in bounded time and size."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO, cast
from urllib.parse import urlsplit

_COMMAND_SECONDS = 5.0
_ANSWER = 64_000

_SAFE_OPTIONS = ("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_DIFF_OPTIONS = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)

_TIES = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"}
)
"""Variables that git sets for what it starts, such as a hook that runs the application."""

_SCP_PASSWORD = re.compile(r"^([^@:/]*):[^@/]*@")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A git working tree; all fields are empty where there is none, ``commit`` before the first."""

    root: str = ""
    url: str = ""
    branch: str = ""
    commit: str = ""


def find_checkout(folder: str) -> Checkout:
    """The working tree a folder is in, with its remote's URL, or its path if it has no remote."""
    root = _git(folder, "rev-parse", "--show-toplevel").strip() if folder else ""
    if not root:
        return Checkout()
    url = _git(folder, "ls-remote", "--get-url").strip()
    upstream = _git(folder, "rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{u}").strip()
    branch = upstream.partition("/")[2] or _git(folder, "symbolic-ref", "--short", "HEAD").strip()
    return Checkout(
        root=root,
        # git answers with the name of the default remote where that has no URL
        url=without_credentials(url) if url not in {"", "origin"} else root,
        branch=branch,
        commit=_git(folder, "rev-parse", "--verify", "--quiet", "HEAD").strip(),
    )


def uncommitted_diff(checkout: Checkout, entry_path: str, limit: int) -> str:
    """The first ``limit`` characters of what isn't committed, with an untracked entry script."""
    text = ""
    path = os.path.realpath(entry_path) if entry_path else ""
    if path and not _git(checkout.root, "ls-files", "--", path):
        name = os.path.relpath(path, os.path.realpath(checkout.root))
        new_file = (*_DIFF_OPTIONS, "--no-index", "--", os.devnull, name)
        text = _git(checkout.root, "diff", *new_file, limit=limit)
    diff = _git(checkout.root, "diff", *_DIFF_OPTIONS, "--submodule=diff", "HEAD", limit=limit)
    return (text + diff)[:limit]


def without_credentials(url: str) -> str:
    """A repository's address without user, password or token; ssh keeps its user name."""
    if "://" not in url:
        return _SCP_PASSWORD.sub(r"\1@", url)
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme in {"ssh", "git+ssh"} and user:
        host = f"{user.partition(':')[0]}@{host}"
    return parts._replace(netloc=host, query="", fragment="").geturl()


def _git(folder: str, *arguments: str, limit: int = _ANSWER) -> str:
    """The start of git's answer; empty if it fails, isn't installed or takes too long."""
    try:
        with subprocess.Popen(
            ["git", *_SAFE_OPTIONS, *arguments],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                if sys.platform == "win32":
                    answer, _ = process.communicate(timeout=_COMMAND_SECONDS)
                else:
                    answer = _read(cast("IO[bytes]", process.stdout), limit)
            finally:
                process.kill()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return answer.decode("utf-8", "replace")[:limit]


def _read(stream: IO[bytes], limit: int) -> bytes:
    """Up to ``4 * limit`` bytes of a pipe, which is at least ``limit`` characters.

    Without a thread, so that it works at interpreter exit.

    Raises:
        TimeoutError: the pipe wasn't closed in time.
    """
    deadline = time.monotonic() + _COMMAND_SECONDS
    chunks: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while size < 4 * limit:
            if not selector.select(max(deadline - time.monotonic(), 0)):
                raise TimeoutError
            chunk = os.read(stream.fileno(), 65_536)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
    return b"".join(chunks)


def _environment() -> dict[str, str]:
    """The environment without what ties git to another repository, and without any prompt."""
    kept = {name: value for name, value in os.environ.items() if name not in _TIES}
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ASKPASS": "true",
        "LC_ALL": "C",
    }
