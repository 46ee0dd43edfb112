"""Spans to action records, session table and runs table: pure functions, no I/O, no clock."""

from __future__ import annotations

from clearml_otel.records.sessions import SessionKey, group_sessions
from clearml_otel.records.tables import SessionTables, Table, build_tables

__all__ = ["SessionKey", "SessionTables", "Table", "build_tables", "group_sessions"]
