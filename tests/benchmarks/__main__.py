"""``python -m benchmarks`` from the tests folder, or ``python tests/benchmarks``."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    # run as a folder: its parent holds the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.cli import main

if __name__ == "__main__":
    main()
