"""CPU time of the 16 readability metrics of a text: ours beside textstat's, without LangChain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks.driver import WorkerError
from benchmarks.parts import Setting
from benchmarks.table import Cell, Column, NotRunnable, Result, Row, Samples
from benchmarks.texts import reference_words
from support.fake_cmudict import write_fake_cmudict

_TESTS: Final = Path(__file__).resolve().parents[1]
_MICROSECONDS: Final = 1e6
_MOST_ROUNDS: Final = 20
_TEXTS: Final = {20: 32, 100: 16, 500: 8, 2_000: 4}  # in a round, by their words
_STATES: Final = {"first": "first text", "new": "all words new", "warm": "known words"}
_TOKEN, _SHORT_TOKEN = 1_000_000, 10_000  # characters
_STATES_NOTE: Final = (
    "first text: never met before, ordinary English, the engine as after its start (ours knows "
    "11,763 frequent words then, textstat its dictionary). all words new: ours knows no word at "
    'all, not even "the"; textstat still has its dictionary. known words: an earlier text had them.'
)
_NOTE: Final = (
    "textstat's dictionary is made of the texts' own words, with made-up syllables: the real one "
    "is not downloaded here. Nearly every word is found in it, as in the real one."
)


class _Worker:
    """A process that measures with one engine."""

    def __init__(self, engine: str, data: Path, path: Path | None = None) -> None:
        paths = [*([path] if path else []), _TESTS]
        paths += filter(None, [os.environ.get("PYTHONPATH")])
        self._engine = engine
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.readability_worker", engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "NLTK_DATA": str(data),
                "PYTHONHASHSEED": "0",
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
            },
        )

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, do: str, **arguments: object) -> float:
        """CPU seconds for one text."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise WorkerError(f"the readability worker ({self._engine}) died")
        return json.loads(answer)


@dataclass(frozen=True, slots=True)
class _Workload:
    title: str
    unit: str
    scale: float
    do: str
    arguments: Mapping[str, object]
    rounds: int


def measure(setting: Setting) -> Result:
    """Measure every size of text with every engine, in turns."""
    data = setting.folder / "nltk_data"
    write_fake_cmudict(data, reference_words())
    result = Result(
        notes=[_STATES_NOTE, _NOTE],
        titles={
            "ours": "ours",
            "bare": f"{metadata.version('textstat')} (textstat)",
            "old": "0.7.4 (textstat)",
        },
    )
    with ExitStack() as stack:
        workers: dict[Column, _Worker] = {
            "ours": stack.enter_context(_Worker("ours", data)),
            "bare": stack.enter_context(_Worker("textstat", data)),
        }
        missing: dict[Column, Cell] = {}
        if isinstance(setting.textstat, NotRunnable):
            missing["old"] = setting.textstat
        else:
            worker = _Worker("textstat", data, setting.textstat)
            workers["old"] = stack.enter_context(worker)
        for workload in _workloads(setting.sizes.rounds):
            setting.say(f"readability: {workload.title}")
            result.rows.append(_row(workload, workers, missing))
    return result


def _row(
    workload: _Workload, workers: Mapping[Column, _Worker], missing: Mapping[Column, Cell]
) -> Row:
    found: dict[Column, list[float]] = {column: [] for column in workers}
    for round_ in range(workload.rounds):
        for column, worker in workers.items():
            seconds = worker.ask(workload.do, **workload.arguments, seed=round_)
            found[column].append(seconds * workload.scale)
    cells: dict[Column, Cell] = {column: Samples(values) for column, values in found.items()}
    return Row(workload.title, workload.unit, {**cells, **missing})


def _workloads(rounds: int) -> list[_Workload]:
    few = min(rounds, _MOST_ROUNDS)
    found = [
        _Workload(
            f"16 metrics, {words:,} words, {title}",
            "µs",
            _MICROSECONDS,
            "texts",
            {"words": words, "texts": number, "state": state},
            few,
        )
        for words, number in _TEXTS.items()
        for state, title in _STATES.items()
    ]
    token = _TOKEN if few == _MOST_ROUNDS else _SHORT_TOKEN
    title = f"16 metrics, token of {token:,} letters"
    found.append(_Workload(title, "s", 1.0, "token", {"characters": token}, 1))
    return found
