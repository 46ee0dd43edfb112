"""A program that knows nothing of tracing: LangChain programs against a loopback model server."""

from __future__ import annotations

from clearml_otel.demo.openai_server import loopback_openai
from support.peers.scenarios import run, script

SCENARIOS = ("chat", "create_agent with tools", "LangGraph")

if __name__ == "__main__":
    with loopback_openai(script):
        for name in SCENARIOS:
            run(name, {})
