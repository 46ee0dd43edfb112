"""Each rule by which a trace is settled, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from clearml_otel.pipeline import assembly
from clearml_otel.pipeline.assembly import Assembler, Times


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class RecordOnly(Sampler):
    """Records spans named "quiet" without sampling them."""

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *_: Any, **__: Any):  # type: ignore[no-untyped-def] - the SDK's own signature
        decision = Decision.RECORD_ONLY if name == "quiet" else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision)

    def get_description(self) -> str:
        return "test"


class Bench:
    """An assembler behind a tracer; counted as by our processor, or ends only as by an exporter."""

    def __init__(self, *, counted: bool = True, **times: float) -> None:
        self.clock = Clock()
        self.assembler = Assembler(Times(**times), counted=counted, clock=self.clock)
        provider = TracerProvider(sampler=RecordOnly(), shutdown_on_exit=False)
        provider.add_span_processor(_Teller(self.assembler, counted))
        self.tracer = provider.get_tracer("t")

    def start(self, name: str, parent: Span | SpanContext | None = None) -> Any:
        if isinstance(parent, SpanContext):
            parent = NonRecordingSpan(parent)  # type: ignore[assignment]
        context = set_span_in_context(parent) if parent is not None else None  # type: ignore[arg-type]
        return self.tracer.start_span(name, context=context)

    def after(self, seconds: float) -> list[tuple[int, str, int]]:
        """Revision, reason and open spans of what is settled when so much time has passed."""
        self.clock.now += seconds
        return [(each.revision, each.reason, each.open_spans) for each in self.assembler.due()]


class _Teller(SpanProcessor):
    def __init__(self, assembler: Assembler, counted: bool) -> None:
        self._assembler, self._counted = assembler, counted

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if self._counted:
            self._assembler.started(span)

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if self._counted or (context is not None and context.trace_flags.sampled):
            self._assembler.ended(span)


REMOTE = SpanContext(0xABC, 0x1, is_remote=True, trace_flags=TraceFlags(1))


def test_a_trace_is_complete_a_moment_after_its_last_span() -> None:
    bench = Bench()
    root = bench.start("root")
    child = bench.start("child", root)
    child.end()
    root.end()
    assert bench.after(1.9) == []
    assert bench.after(0.2) == [(1, "complete", 0)]
    assert bench.assembler.open_traces == 0
    assert bench.after(10_000) == []


def test_a_child_that_outlasts_its_root_is_of_the_same_revision() -> None:
    bench = Bench()
    root = bench.start("root")
    child = bench.start("child", root)
    root.end()
    assert bench.after(0.9) == []
    child.end()
    assert bench.after(1.9) == []
    assert bench.after(0.2) == [(1, "complete", 0)]


def test_the_same_where_open_spans_cannot_be_counted() -> None:
    bench = Bench(counted=False)
    root = bench.start("root")
    child = bench.start("child", root)
    root.end()
    assert bench.after(5) == []
    child.end()
    assert bench.after(9.9) == []
    assert bench.after(0.2) == [(1, "quiet", 0)]


def test_each_request_of_a_remote_parent_is_a_revision() -> None:
    bench = Bench()
    found = []
    for _ in range(3):
        server = bench.start("server", REMOTE)
        bench.start("inside", server).end()
        server.end()
        found += bench.after(2.5)
    assert found == [(1, "complete", 0), (2, "complete", 0), (3, "complete", 0)]


def test_without_an_entry_a_trace_is_idle_first() -> None:
    bench = Bench(counted=False)
    root = bench.start("root")
    bench.start("child", root).end()
    assert bench.after(59) == []
    assert bench.after(2) == [(1, "idle", 0)]


def test_a_long_root_makes_checkpoints_and_then_is_complete() -> None:
    bench = Bench()
    root = bench.start("root")
    found = []
    for _ in range(7):
        bench.start("step", root).end()
        found += bench.after(100)
    assert found == [(1, "checkpoint", 1), (2, "checkpoint", 1)]
    root.end()
    assert bench.after(2.5) == [(3, "complete", 0)]


def test_a_checkpoint_lists_what_is_open() -> None:
    bench = Bench()
    other = bench.start("other")
    root = bench.start("root")
    view = bench.assembler.view()
    assert view.left_out == {format_trace_id(span.context.trace_id) for span in (root, other)}
    other.end()
    assert (1, "checkpoint", 1) in bench.after(301)
    view = bench.assembler.view()
    assert view.left_out == frozenset()
    (listed,) = view.open_spans
    assert (listed.name, listed.reason) == ("root", "checkpoint")
    assert listed.span_id == format_span_id(root.context.span_id)
    # nothing new, nothing to publish
    assert bench.after(301) == []


def test_a_span_that_is_never_ended_is_given_up_and_listed() -> None:
    bench = Bench()
    leaked = bench.start("leaked")
    bench.start("child", leaked).end()
    bench.after(301)
    assert bench.after(3_300) == [(2, "abandoned", 0)]
    (listed,) = bench.assembler.view().open_spans
    assert (listed.name, listed.reason) == ("leaked", "abandoned")
    assert bench.assembler.open_traces == 0
    leaked.end()
    assert bench.after(2.5) == [(3, "complete", 0)]
    assert bench.assembler.view().open_spans == []


def test_a_span_that_is_never_ended_and_not_sampled_is_given_up() -> None:
    bench = Bench()
    root = bench.start("root")
    bench.start("quiet", root)
    root.end()
    bench.after(301)
    assert bench.after(3_300) == [(2, "abandoned", 0)]
    assert bench.assembler.view().open_spans == []
    assert bench.assembler.open_traces == 0


def test_long_spans_can_be_left_alone() -> None:
    bench = Bench(max_span_age=0.0)
    bench.start("long")
    assert bench.after(301) == [(1, "checkpoint", 1)]
    assert bench.after(100_000) == []


def test_a_late_span_makes_the_next_revision() -> None:
    bench = Bench()
    root = bench.start("root")
    root.end()
    assert bench.after(3) == [(1, "complete", 0)]
    bench.start("late", root).end()
    assert bench.after(3) == [(2, "complete", 0)]
    assert bench.assembler.late_spans == 1


def test_after_the_window_a_trace_is_said_to_be_late() -> None:
    bench = Bench()
    root = bench.start("root")
    root.end()
    assert bench.after(3) == [(1, "complete", 0)]
    bench.start("in time", root).end()
    assert bench.after(3) == [(2, "complete", 0)]
    assert bench.assembler.view().late == frozenset()
    bench.after(601)
    bench.start("late", root).end()
    assert bench.after(3) == [(3, "complete", 0)]
    assert bench.assembler.late_spans == 2
    assert bench.assembler.view().late == {format_trace_id(root.context.trace_id)}


def test_only_so_many_settled_traces_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "_MOST_SEALED", 10)
    bench = Bench()
    for number in range(15):
        bench.start(f"root {number}").end()
    bench.after(3)
    assert len(bench.assembler._sealed) == 10


# -- parts -------------------------------------------------------------------------------


def incomplete(bench: Bench) -> dict[str, str]:
    return dict(bench.assembler.view().incomplete)


def id_of(span: Any) -> str:
    return format_trace_id(span.context.trace_id)


def test_why_a_trace_that_is_not_whole_is_published() -> None:
    bench = Bench()
    whole, long = bench.start("whole"), bench.start("long")
    whole.end()
    bench.start("child", long).end()
    bench.after(301)
    assert incomplete(bench) == {id_of(long): "checkpoint: 1 open"}
    assert bench.assembler.whole_view("flush").incomplete == {id_of(long): "flush: 1 open"}
    long.end()
    bench.after(3)
    assert incomplete(bench) == {}


def test_an_idle_trace_stays_incomplete_until_its_entry_ends() -> None:
    bench = Bench(counted=False)
    root = bench.start("root")
    bench.start("child", root).end()
    bench.after(61)
    assert incomplete(bench) == {id_of(root): "idle"}
    root.end()
    bench.after(11)
    assert incomplete(bench) == {}


def test_a_late_span_does_not_make_a_whole_trace_incomplete() -> None:
    bench = Bench(counted=False)
    root = bench.start("root")
    root.end()
    assert bench.after(11) == [(1, "quiet", 0)]
    bench.start("late", root).end()
    assert bench.after(11) == [(2, "quiet", 0)]
    assert incomplete(bench) == {}


def test_small_traces_are_carried_into_the_next_part_and_large_ones_split() -> None:
    bench = Bench()
    settled, small, large = (bench.start(name) for name in ("settled", "small", "large"))
    settled.end()
    bench.after(3)
    # whole, as far as can be seen
    bench.start("just ended").end()
    bench.start("child", small).end()
    for number in range(5):
        bench.start(f"child {number}", large).end()
    carried, spans = bench.assembler.carried(3)
    assert (carried, spans) == ({id_of(small)}, 1)
    view = bench.assembler.whole_view("full", carried)
    assert view.left_out == carried
    assert [each.name for each in view.open_spans] == ["large"]
    assert view.incomplete == {id_of(large): "full: it goes on in another series"}
    bench.assembler.part_ended(carried)
    small.end()
    large.end()
    bench.after(3)
    assert incomplete(bench) == {id_of(large): "it began in another series"}
    bench.assembler.part_ended()
    assert incomplete(bench) == {}


def test_a_trace_that_comes_back_in_another_part_says_so() -> None:
    bench = Bench()
    root = bench.start("root")
    root.end()
    bench.after(3)
    bench.assembler.part_ended()
    bench.after(1)
    bench.start("late", root).end()
    bench.after(3)
    assert incomplete(bench) == {id_of(root): "it began in another series"}
    bench.start("later still", root).end()
    bench.after(3)
    assert incomplete(bench) == {id_of(root): "it began in another series"}


def test_a_parent_that_is_recorded_only_is_waited_for() -> None:
    bench = Bench()
    quiet = bench.start("quiet")
    bench.start("sampled", quiet).end()
    assert bench.after(3) == []
    quiet.end()
    assert bench.after(3) == [(1, "complete", 0)]


def test_a_trace_with_nothing_sampled_leaves_nothing() -> None:
    bench = Bench()
    quiet = bench.start("quiet")
    bench.start("quiet", quiet).end()
    quiet.end()
    assert bench.assembler.open_traces == 0
    assert bench.after(10_000) == []


def test_too_many_open_traces_are_settled_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MOST_OPEN", 10)
    bench = Bench()
    roots = [bench.start(f"root {number}") for number in range(15)]
    assert bench.after(0) == [(1, "pressure", 1)] * 5
    for root in roots:
        root.end()
    assert sorted(bench.after(3)) == [(1, "complete", 0)] * 10 + [(2, "complete", 0)] * 5


def test_what_is_asked_for_is_everything() -> None:
    bench = Bench()
    root = bench.start("root")
    view = bench.assembler.whole_view("flush")
    assert not view.left_out
    assert [(each.name, each.reason) for each in view.open_spans] == [("root", "flush")]
    root.end()


@pytest.mark.parametrize("when", [lambda b: b.after(0.0), lambda b: b.after(1.0)])
def test_it_says_when_to_ask_again(when: Callable[[Bench], object]) -> None:
    bench = Bench()
    assert bench.assembler.next_due() == float("inf")
    bench.start("root").end()
    when(bench)
    bench.clock.now = bench.assembler.next_due()
    assert bench.after(0.001) == [(1, "complete", 0)]
