"""Actions to action records: the page's step and its twelve other counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clearml_otel.records.actions import Action, Cell
from clearml_otel.records.columns import COUNTERS


@dataclass(frozen=True, slots=True)
class ActionRecord:
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
        self._values["step"] += 1
        for counter in members[0].raises:
            self._values[counter] += 1
        # tokens have no rows of their own: the answer's row says how many there were
        self._values["llm_streams"] += sum(action.streamed for action in members)
        for action in members:
            for head, tail in action.rows:
                fields: dict[str, Cell] = {"action": action.name, **head, **self._values, **tail}
                yield ActionRecord(action, self._values["step"], fields)
