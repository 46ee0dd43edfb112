"""What the stages of the pipeline cost a span: ours beside OpenTelemetry's own encoders."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from benchmarks.driver import WorkerError, environment
from benchmarks.parts import Setting
from benchmarks.table import Cell, Column, NotRunnable, Result, Row, Samples

_TITLES: Final[dict[Column, str]] = {
    "ours": "ours",
    "bare": "JSON",
    "old": "protobuf",
}
_STAGES: Final = {
    "append": "Spool: append a batch",
    "encode": "Encode (ours: compressed)",
    "decode": "Decode",
    "tables": "Records and tables",
    "measured": "Records and tables, with metrics",
}
_LONGEST_S: Final = 1_800


def measure(setting: Setting) -> Result:
    """Measure the stages, then many spans through the processor."""
    sizes = setting.sizes
    setting.say(f"pipeline: stages, then {sizes.pipeline_spans:,} spans")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.pipeline_worker",
            str(min(sizes.rounds, 20)),
            str(sizes.session_calls),
            str(sizes.pipeline_spans),
            str(setting.folder / "spool"),
        ],
        env=dict(environment(setting.folder, None)),
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise WorkerError(f"the pipeline worker died: {''.join(last) or 'silently'}")
    found = json.loads(done.stdout)
    note = "JSON and protobuf: OpenTelemetry's own OTLP encoders"
    result = Result(titles=_TITLES, notes=[note])
    stages = {**_STAGES, "session": f"Records and tables, {sizes.session_calls:,} in one session"}
    for stage, title in stages.items():
        cells: dict[Column, Cell] = {
            column: Samples(values) for column, values in found["stages"][stage].items()
        }
        if stage == "encode" and "old" not in cells:
            cells["old"] = NotRunnable("opentelemetry-exporter-otlp-proto-common is not installed")
        result.rows.append(Row(title, "µs", cells))
    size: dict[Column, Cell] = {c: Samples([number]) for c, number in found["bytes"].items()}
    result.rows.append(Row("Size of an LLM call", "B", size))
    bursts = found["bursts"]
    added = [mine - none for mine, none in zip(bursts["ours"], bursts["none"], strict=True)]
    result.rows.append(Row("Processor and assembly, added", "µs", {"ours": Samples(added)}))
    rate: dict[Column, Cell] = {"ours": Samples([found["end_to_end"]])}
    result.rows.append(Row("LLM calls end to end, offline, a CPU second", "spans", rate))
    result.rows += _many(found["processors"], sizes.pipeline_spans)
    return result


def _many(found: dict[str, Any], spans: int) -> list[Row]:
    what = f"{spans:,} spans"
    tenths = found["tenths"]
    rows = {
        f"{what} without a pause: CPU": ("µs", Samples(tenths)),
        f"{what}: last tenth over first": (
            "x",
            Samples([tenths[-1] / tenths[0]]),
        ),
        f"{what}: RSS growth": ("MB", Samples([found["rss_mb"]])),
        f"{what}: shutdown": ("s", Samples([found["shutdown_s"]])),
    }
    return [Row(title, unit, {"ours": samples}) for title, (unit, samples) in rows.items()]
