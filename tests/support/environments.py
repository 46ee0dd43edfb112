"""Virtual environments beside the one that runs the tests; parallel test processes share each."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest


def environment_with(
    factory: pytest.TempPathFactory, name: str, *requirements: str, on_top: bool = False
) -> Path:
    """Make an environment once for a test session, or wait while another process makes it.

    Args:
        factory: whose base folder it goes to.
        name: of its folder.
        requirements: what pip installs.
        on_top: it has the packages of the tests' own environment too, and only what they lack
            or have in other versions is installed.

    Returns:
        Its interpreter.
    """
    base = factory.getbasetemp()
    if base.name.startswith("popen-"):  # pytest-xdist: one base folder for each worker
        base = base.parent
    folder = base / name
    python = folder / "bin" / "python"
    complete = folder / "complete"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            make = [sys.executable, "-m", "venv", "--clear", "--without-pip", folder]
            subprocess.run(make, check=True)
            if on_top:
                _see_our_packages(folder)
            # what is imported is compiled then; that is a small part of it
            install = ["install", "--quiet", "--no-compile", *requirements]
            pip = [sys.executable, "-m", "pip", "--python", python]
            subprocess.run([*pip, *install], check=True, stdout=sys.stderr)
            complete.touch()
    return python


def _see_our_packages(folder: Path) -> None:
    ours = [path for path in sys.path if Path(path).name == "site-packages"]
    (theirs,) = folder.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({path!r})\n" for path in ours]
    (theirs / "tests.pth").write_text("".join(lines))
