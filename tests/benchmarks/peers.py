"""CPU time that instrumentations add to a run, ours beside those of others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from benchmarks.parts import Contender, Setting, Sizes
from benchmarks.peer_rows import BARE, NONE, NOOP, OURS, OURS_READABLE, Seconds, Workload, rows
from benchmarks.spec import Spec
from benchmarks.table import Grid, NotRunnable

_SPECS: Final = (
    NONE,
    NOOP,
    BARE,
    OURS,
    OURS_READABLE,
    Spec("openinference"),
    Spec("traceloop"),
    Spec("genai"),
    Spec("langfuse"),
)
_WORDS: Final = 20


def measure(setting: Setting) -> Grid:
    """Measure every workload with every instrumentation, in turns."""
    workloads = _workloads(setting.sizes)
    seconds: Seconds = {(workload.title, spec): [] for workload in workloads for spec in _SPECS}
    notes: list[str] = []
    with ExitStack() as stack:
        contenders = [stack.enter_context(Contender(setting, spec)) for spec in _SPECS]
        for contender in contenders:
            for workload in workloads:
                contender.ask(workload.do, **workload.arguments)
            contender.notes("the warm-up")
        for round_ in range(setting.sizes.rounds):
            setting.say(f"peers: round {round_ + 1} of {setting.sizes.rounds}")
            # each round begins with another one, so that none always comes first
            turn = round_ % len(contenders)
            for workload in workloads:
                for contender in contenders[turn:] + contenders[:turn]:
                    answer = contender.ask(workload.do, **workload.arguments)
                    key = workload.title, contender.spec
                    measured = seconds[key]
                    if isinstance(answer, NotRunnable):
                        seconds[key] = answer
                    elif not isinstance(measured, NotRunnable):
                        measured.append(answer["each_s"])
                        if round_ == 0:
                            notes += _notes(contender, workload, answer)
    titles = [_title(spec) for spec in _SPECS]
    shown = [row for workload in workloads for row in rows(workload, _SPECS, seconds)]
    notes += _failures(seconds)
    return Grid(["", "µs a run", *titles, "noise"], shown, notes)


def _workloads(sizes: Sizes) -> list[Workload]:
    calls, chains = {"calls": sizes.calls}, {"calls": sizes.chains}
    tokens = {"tokens": sizes.stream_tokens, "streams": sizes.streams}
    return [
        Workload("Chain run, nested", "chains", chains),
        Workload("Chain run, sequence", "sequences", chains),
        Workload("Completion LLM", "llm_calls", {"words": _WORDS, **calls}),
        Workload("Chat model", "chats", calls),
        Workload("Tool", "tools", calls),
        Workload("Streamed token, LLM", "stream", tokens),
        Workload("Streamed token, chat", "chat_stream", tokens),
        Workload("Chain run, async", "async_chains", chains, sync="Chain run, nested"),
        Workload("Chat model, async", "async_chats", calls, sync="Chat model"),
    ]


def _notes(contender: Contender, workload: Workload, answer: Mapping[str, Any]) -> list[str]:
    """Errors, and spans that are fewer or more than the runs."""
    title, runs, spans = _title(contender.spec), answer["units"], answer["spans"]
    notes = contender.notes(f"{workload.title}, {runs} runs")
    counted = contender.spec not in {NONE, NOOP} and "token" not in workload.title
    if counted and spans != runs:
        notes.append(f"{title}, {workload.title}: {spans} spans of {runs} runs")
    return notes


def _failures(seconds: Seconds) -> list[str]:
    """Why something could not be measured that is installed."""
    found = {
        f"{_title(spec)}: not runnable: {measured.reason}"
        for (_, spec), measured in seconds.items()
        if isinstance(measured, NotRunnable) and measured.reason != "not installed"
    }
    return sorted(found)


def _title(spec: Spec) -> str:
    if spec == NONE:
        return "run itself"
    return f"{spec.title}, readability" if spec.complexity else spec.title
