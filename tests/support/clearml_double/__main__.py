"""`python -m support.clearml_double`: serve until stdin closes.

Prints one line of JSON first: the environment variables for clients.
"""

from __future__ import annotations

import json
import sys

from .double import ClearMLDouble

with ClearMLDouble() as double:
    print(json.dumps(double.env()), flush=True)
    sys.stdin.read()
