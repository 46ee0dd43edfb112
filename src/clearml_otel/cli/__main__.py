"""``python -m clearml_otel.cli`` is ``clearml-otel``."""

from __future__ import annotations

from clearml_otel.cli.app import main

main()
