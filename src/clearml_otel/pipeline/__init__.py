"""Spans collected, assembled into sessions, and delivered to ClearML."""

from __future__ import annotations
