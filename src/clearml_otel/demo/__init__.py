"""The demonstration: the ClearML page's two scenarios, run without a key, a server or a network.

:mod:`~clearml_otel.demo.openai_server` answers the real OpenAI clients on 127.0.0.1,
:mod:`~clearml_otel.demo.page` holds what the page asked and was answered, and
:mod:`~clearml_otel.demo.scenarios` are the page's calls.  Needs the ``demo`` extra.
"""

from __future__ import annotations
