"""Which runs belong to one ``generate`` call of several prompts.

Since mid-2023 LangChain calls ``on_llm_start`` once per prompt, each with a run id of its own,
and says only how many prompts there are (``batch_size``). The dictionary of invocation
parameters is one object for all prompts of a call, so its identity tells the calls apart.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import Final

_MOST_OPEN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Membership:
    """A run's place in its ``generate`` call."""

    batch_id: str
    index: int
    size: int


@dataclass(slots=True)
class _OpenBatch:
    params: object  # held, so that its identity cannot be another object's meanwhile
    batch_id: str
    size: int
    joined: int = 0


class BatchTracker:
    """Hands out memberships; forgets a call when all its prompts have started."""

    def __init__(self) -> None:
        self._open: dict[int, _OpenBatch] = {}
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """In a forked child: the parent's calls go on there, and a thread may hold the lock."""
        self._open = {}
        self._lock = threading.Lock()

    def join(self, params: object, size: int) -> Membership | None:
        """Place one more start of a call.

        Args:
            params: the ``invocation_params`` object of the callback.
            size: its ``batch_size``.

        Returns:
            The membership, or None for a call of one prompt or one that cannot be told apart.
        """
        if size < 2 or params is None:
            return None
        key = id(params)
        with self._lock:
            batch = self._open.get(key)
            if batch is None or batch.size != size:
                batch = self._open[key] = _OpenBatch(params, uuid.uuid4().hex, size)
                if len(self._open) > _MOST_OPEN:
                    del self._open[next(iter(self._open))]
            index = batch.joined
            batch.joined += 1
            if batch.joined == size:
                self._open.pop(key, None)
        return Membership(batch.batch_id, index, size)
