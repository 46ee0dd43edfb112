"""Actions to action records: the page's step and its twelve other counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from clearml_otel.records.actions import Action, Cell
from clearml_otel.records.columns import COUNTERS


class ActionRecord(NamedTuple):
    """One row of the action table: its fields in the page's key order, and its run."""

    action: Action
    step: int
    fields: dict[str, Cell]


class Counters:
    """The thirteen counters of a session; they start from zero with it."""

    def __init__(self) -> None:
        self._values: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    def count(self, group: Iterable[Action]) -> Iterator[ActionRecord]:
        """Raise the counters once for actions that share a step, and make their records.

        Args:
            group: one action, or all the starts (or ends) of one ``generate`` call.
        """
        members = list(group)
        values = self._values
        values["step"] += 1
        for counter in members[0].raises:
            values[counter] += 1
        for action in members:
            # tokens have no rows of their own: the answer's row says how many there were
            values["llm_streams"] += action.streamed
        for action in members:
            for head, tail in action.rows:
                fields: dict[str, Cell] = {"action": action.name, **head, **values, **tail}
                yield ActionRecord(action, values["step"], fields)
