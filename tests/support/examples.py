"""Property tests that are the same in every run."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> settings:
    """So many examples, the same each time, on however busy a machine."""
    return settings(max_examples=count, deadline=None, derandomize=True, database=None)
