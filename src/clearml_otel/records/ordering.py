"""The order of actions: by sequence number within a process, by time across processes.

Arrival never matters, so the same spans in any order give the same tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from clearml_otel.records.actions import Action

_PHASES: Final = {"start": 0, "point": 1, "end": 2}


def ordered_groups(actions: Iterable[Action]) -> Iterator[list[Action]]:
    """Actions in order, those of one ``generate`` call's starts (or ends) together.

    A group stands where its first action stands; inside it the order is that of the prompts.
    """
    ordered = in_order(actions)
    groups = [action.group for action in ordered]
    shared: dict[tuple[str, str], list[Action]] = defaultdict(list)
    for action, group in zip(ordered, groups, strict=True):
        if group is not None:
            shared[group].append(action)
    for action, group in zip(ordered, groups, strict=True):
        if group is None:
            yield [action]
        elif (members := shared.pop(group, None)) is not None:
            yield sorted(members, key=lambda member: member.run.batch_index)


def in_order(actions: Iterable[Action]) -> list[Action]:
    """Actions of all processes in one order.

    Within a process the sequence decides; its times are made to never go back, so that a clock
    that is set back cannot tear a process's own order apart. Spans of other instrumentations
    have no sequence: their time decides, parents' starts before children's and children's ends
    before parents'.
    """
    by_process: dict[str, list[Action]] = defaultdict(list)
    keyed: list[tuple[tuple[int, str, int, str, str], Action]] = []
    for action in actions:
        if action.seq is None:
            keyed.append((_foreign_key(action), action))
        else:
            by_process[action.run.process].append(action)
    if not keyed and len(by_process) == 1:
        (own,) = by_process.values()
        return _in_own_order(own)
    for process, own in by_process.items():
        latest = 0
        for index, action in enumerate(_in_own_order(own)):
            latest = max(latest, action.time_ns)
            keyed.append(((latest, process, index, "", ""), action))
    return [action for _, action in sorted(keyed, key=lambda pair: pair[0])]


def _in_own_order(actions: Sequence[Action]) -> list[Action]:
    """Actions of one process by their sequence numbers."""
    numbers = [(action.seq or 0) * len(_PHASES) + _PHASES[action.phase] for action in actions]
    if len(set(numbers)) == len(numbers):
        places = sorted(range(len(numbers)), key=numbers.__getitem__)
    else:
        # no two callbacks have one number, unless something else than we wrote it
        ids = [action.run.span.span_id for action in actions]
        places = sorted(range(len(numbers)), key=lambda place: (numbers[place], ids[place]))
    return [actions[place] for place in places]


def _foreign_key(action: Action) -> tuple[int, str, int, str, str]:
    span = action.run.span
    # of two spans that start together the longer is the parent; of two that end together the
    # shorter is the child
    duration = (span.end_time_ns or span.start_time_ns) - span.start_time_ns
    nesting = -duration if action.phase == "start" else duration
    return action.time_ns, action.run.process, nesting, span.trace_id, span.span_id
