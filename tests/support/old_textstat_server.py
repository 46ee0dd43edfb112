"""Runs in the environment of textstat 0.7.4: a line with a text comes in, its metrics go out.

The texts are the hexadecimal digits of their UTF-8, the metrics one JSON object a line. A metric
is null where textstat divides by zero.
"""

from __future__ import annotations

import json
import sys

from textstat import textstat


def _metric(name, text):
    try:
        return getattr(textstat, name)(text)
    except ZeroDivisionError:
        return None


for line in sys.stdin:
    measured = bytes.fromhex(line).decode("utf-8", "surrogatepass")
    print(json.dumps({name: _metric(name, measured) for name in sys.argv[1:]}), flush=True)
