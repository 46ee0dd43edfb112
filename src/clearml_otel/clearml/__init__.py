"""Where ClearML events go: their encoding, the acknowledged server transport and the offline one.

Nothing in here imports ``clearml`` but :mod:`clearml_otel.clearml.connection`, and that only when a
server transport is opened.
"""

from __future__ import annotations
