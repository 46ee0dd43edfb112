"""A ClearML server for tests: loopback, in memory, checked against the SDK's own schemas.

with ClearMLDouble() as double:
    run_client(env=double.client_environ())
    task = double.task_by_name("llm")
    assert double.tables(task["id"])["Action Records", "first", 0].columns == [...]
    assert double.violations == []
"""

from __future__ import annotations

from .double import STATE_PATH, ClearMLDouble
from .faults import Fault
from .journal import RecordedRequest, Violation
from .tables import Table

__all__ = ["STATE_PATH", "ClearMLDouble", "Fault", "RecordedRequest", "Table", "Violation"]
