"""Events to send to a double, as the SDK would build them."""

from __future__ import annotations

import json
import time
from typing import Any

from .store import Document


def table_event(task_id: str, rows: list[list[Any]], **fields: Any) -> Document:
    cells = [list(column) for column in zip(*rows, strict=True)]
    trace = {"type": "table", "header": {"values": [["a"], ["b"]]}, "cells": {"values": cells}}
    plot = json.dumps({"data": [trace], "layout": {}})
    place = {"metric": "Action Records", "variant": "first", "iter": 0}
    return {"task": task_id, "type": "plot", "plot_str": plot, **place, **fields}


def log_event(task_id: str, message: str) -> Document:
    now = int(time.time() * 1000)
    return {"task": task_id, "type": "log", "level": "info", "msg": message, "timestamp": now}


def scalar_event(task_id: str, value: Any, iteration: int = 0) -> Document:
    place = {"metric": "Tokens", "variant": "total", "iter": iteration}
    return {"task": task_id, "type": "training_stats_scalar", "value": value, **place}
