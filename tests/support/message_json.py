"""Messages as spans tell them, read back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from clearml_otel.langchain.messages import conversations_json


def input_messages(messages: Iterable[object], *, capture_bytes: bool = False) -> Any:
    """One conversation, as a model's span has it."""
    return json.loads(conversations_json([messages], capture_bytes=capture_bytes))
