"""Quick runs of the benchmarks, as somebody starts them, and what they print."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]


@dataclass(frozen=True)
class Printed:
    """What a run has printed.

    Args:
        rows: its table's, cell by cell; the first one has the titles.
        text: all of it.
    """

    rows: list[list[str]]
    text: str

    @property
    def notes(self) -> list[str]:
        """The lines below the table that say what was not measured, and why."""
        return [line for line in self.text.splitlines() if line.startswith("[")]

    @property
    def cells(self) -> dict[str, list[str]]:
        """The rows by their first cell."""
        return {title: cells for title, *cells in self.rows}


def quick_run(folder: Path, *parts: str, **variables: str) -> Printed:
    """Run some parts of the benchmarks with small sizes."""
    only = [word for part in parts for word in ("--only", part)]
    done = subprocess.run(
        [sys.executable, TESTS / "benchmarks", "--quick", *only],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return Printed([row for row in rows if len(row) > 1], done.stdout)
