"""On the PYTHONPATH of a child process: keeps it off the network and notes what it imported.

CHILD_REPORT names the file that gets one JSON object at exit: `modules`, and `network`, the
addresses beyond this machine that it tried to reach (each attempt fails).
CHILD_LACKS names modules, comma-separated, that are as if not installed.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from typing import Any

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_network: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host and host not in LOOPBACK:
        _network.append(str(host))
        raise OSError(f"the test allows no network: {host}")


def _report() -> None:
    with open(os.environ["CHILD_REPORT"], "w") as file:
        json.dump({"modules": sorted(sys.modules), "network": _network}, file)


sys.addaudithook(_watch)
for _name in filter(None, os.environ.get("CHILD_LACKS", "").split(",")):
    sys.modules[_name] = None  # type: ignore[assignment]
if "CHILD_REPORT" in os.environ:
    atexit.register(_report)
