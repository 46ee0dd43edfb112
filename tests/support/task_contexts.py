"""What needs tasks that take a context, which asyncio has since Python 3.11.

Before, LangGraph's asynchronous nodes do not know what run they are in, unless they hand their
``config`` on by themselves. Source: LangGraph's documentation of ``get_config``.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

needs_task_contexts = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph's async nodes know no run above on Python 3.10"
)


def in_tasks(way: str) -> Any:
    """A parameter for an asynchronous way to run a graph."""
    return pytest.param(way, marks=needs_task_contexts)
