"""What `clearml-otel demo` printed and left."""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from support.commands import Outcome


def single_spans(line: bytes) -> list[str]:
    """One line of several spans as lines of one span."""
    (resource,) = json.loads(line)["resourceSpans"]
    return [
        json.dumps({"resourceSpans": [{**resource, "scopeSpans": [{**scope, "spans": [span]}]}]})
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


@dataclass(frozen=True)
class Demo:
    outcome: Outcome
    session: Path

    @property
    def spans(self) -> list[str]:
        """The spans that the session keeps, each as a line of OTLP JSON, the last first."""
        with zipfile.ZipFile(self.session) as archive:
            kept = [name for name in archive.namelist() if name.endswith(".gz")]
            lines = [
                line for name in kept for line in gzip.decompress(archive.read(name)).splitlines()
            ]
        assert len(kept) == 2
        return [span for line in lines for span in single_spans(line)][::-1]
