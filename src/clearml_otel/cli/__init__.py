"""The command line: ``clearml-otel demo``, ``clearml-otel replay`` and ``clearml-otel show``."""

from __future__ import annotations
