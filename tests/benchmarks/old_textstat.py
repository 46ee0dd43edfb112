"""textstat 0.7.4 for the old handler: later versions compute other numbers, or want a download."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.spec import NotRunnableError

_REQUIREMENTS: Final = ("textstat==0.7.4", "setuptools<82")


def install(folder: Path) -> Path:
    """Install it into a folder of its own, beside what is installed.

    Raises:
        NotRunnableError: pip is missing or cannot get it.
    """
    target = folder / "textstat-0.7.4"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--target", str(target), *_REQUIREMENTS],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise NotRunnableError(f"textstat 0.7.4 could not be installed: {last[:200]}")
    return target
