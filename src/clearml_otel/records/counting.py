"""Actions to action records: the page's step and its twelve other counters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from clearml_otel.records.actions import Action, Fields
from clearml_otel.records.columns import COUNTERS


class Counted(NamedTuple):
    """An action with its step and its records: of a model's end one a generation."""

    action: Action
    step: int
    records: list[Fields]


class Counters:
    """The thirteen counters of a session; they start from zero with it."""

    def __init__(self) -> None:
        self._values: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    def count(self, group: Sequence[Action]) -> list[Counted]:
        """Raise the counters once for actions that share a step, and make their records.

        Args:
            group: one action, or all the starts (or ends) of one ``generate`` call.
        """
        values = self._values
        values["step"] = step = values["step"] + 1
        for counter in group[0].raises:
            values[counter] += 1
        for action in group:
            if action.phase == "end":
                # tokens have no rows of their own: the answer's row says how many there were
                values["llm_streams"] += action.run.stream_tokens
        return [Counted(action, step, action.records(values)) for action in group]
