"""Action records while they happen, for people who watch a program's output.

The published tables are made from finished spans alone. This follows open ones, and gives the
same records for a program that does one thing after the other; where runs overlap, starts and
ends of one ``generate`` call are shown when the last of them has come. Spans of other
instrumentations say what they are at their end only, so that they have no records here.
"""

from __future__ import annotations

from collections.abc import Iterator

from clearml_otel.conventions import Run, Usage, read_own_run
from clearml_otel.records.actions import Action, Cell, end_action, point_action, start_action
from clearml_otel.records.counting import Counters
from clearml_otel.records.tables import sum_usage
from clearml_otel.spans import SpanRecord


class LiveRecords:
    """Counts actions as spans start and end; not thread-safe by itself."""

    def __init__(self) -> None:
        self._counters = Counters()
        self._held: dict[tuple[str, str], list[Action]] = {}
        self._shown_points: dict[str, int] = {}

    def started(self, span: SpanRecord) -> Iterator[dict[str, Cell]]:
        """The records that a span's start completes."""
        run = read_own_run(span)
        if run is not None and run.has_start:
            self._shown_points[span.span_id] = 0
            yield from self._add(start_action(run))

    def points(self, span: SpanRecord) -> Iterator[dict[str, Cell]]:
        """The records of the points of an open or ended span that were not given yet."""
        run = read_own_run(span)
        if run is None:
            return
        shown = self._shown_points.get(span.span_id, 0)
        for point in run.points[shown:]:
            yield from self._add(point_action(run, point))
        self._shown_points[span.span_id] = len(run.points)

    def ended(self, span: SpanRecord) -> Iterator[dict[str, Cell]]:
        """The records that a span's end completes."""
        run = read_own_run(span)
        if run is None:
            return
        yield from self.points(span)
        self._shown_points.pop(span.span_id, None)
        if run.has_end:
            yield from self._add(end_action(run, run.usage))

    def rest(self) -> Iterator[dict[str, Cell]]:
        """The records of ``generate`` calls that did not come to their end."""
        held, self._held = self._held, {}
        for members in held.values():
            yield from self._count(members)

    def _add(self, action: Action) -> Iterator[dict[str, Cell]]:
        if action.group is None:
            yield from self._count([action])
            return
        members = self._held.setdefault(action.group, [])
        members.append(action)
        if len(members) == action.run.batch_size:
            del self._held[action.group]
            yield from self._count(members)

    def _count(self, members: list[Action]) -> Iterator[dict[str, Cell]]:
        if len(members) > 1 and members[0].phase == "end":
            usage = _call_usage([member.run for member in members])
            members = [end_action(member.run, usage) for member in members]
        for counted in self._counters.count(members):
            yield from counted.records


def _call_usage(runs: list[Run]) -> Usage:
    usage = Usage()
    for run in runs:
        usage = sum_usage(usage, run.usage)
    return usage
