"""The table of modelled endpoints and what each of their functions is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .store import Document, Store


@dataclass(frozen=True, slots=True)
class Call:
    """One accepted request: `body` is a JSON object, or a list of them for a batch."""

    store: Store
    body: Any
    worker: str


Endpoint = Callable[[Call], Document]

ENDPOINTS: dict[str, Endpoint] = {}


def endpoint(*names: str) -> Callable[[Endpoint], Endpoint]:
    """Register a function as the answer to `service.action`, under one or more names."""

    def register(function: Endpoint) -> Endpoint:
        for name in names:
            ENDPOINTS[name] = function
        return function

    return register
