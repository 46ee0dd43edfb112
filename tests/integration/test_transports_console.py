"""Console lines stand once in ClearML, though it keeps every line that it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_otel.clearml.events import console
from clearml_otel.clearml.server import ServerTransport
from clearml_otel.clearml.transport import TransportError
from support.clearml_double import ClearMLDouble
from support.transport_calls import SPEC

PATIENT = (10.0, 30.0)


def lines(double: ClearMLDouble) -> list[str]:
    [task_id] = double.tasks
    return double.console(task_id)


FAULTS: dict[str, dict[str, Any]] = {
    "stored, but the answer was lost": {"reset": True},
    "a part stored": {"short_added": 2},
    "nothing stored": {"status": 500},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_failed_call_only_what_is_missing_is_sent(
    double: ClearMLDouble, fault: str
) -> None:
    transport = ServerTransport(SPEC, timeouts=PATIENT)
    transport.send(console(["before"], timestamp_ms=1_700_000_000_000))
    # equal lines are lines all the same
    events = [
        event
        for number, text in enumerate(["a", "b", "b", "c"])
        for event in console([text], timestamp_ms=1_700_000_000_001 + number // 2)
    ]
    double.fail(r"events\.add_batch", **FAULTS[fault], times=1)
    with pytest.raises(TransportError):
        transport.send(events)
    transport.send(events)
    assert sorted(lines(double)) == ["a", "b", "b", "before", "c"]
    # what is sent on purpose a second time is not taken for a retry
    transport.send(events)
    assert len(lines(double)) == 9
    assert double.violations == []
