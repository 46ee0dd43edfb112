"""What the tables recover of other instrumentations' spans, as tables for the README.

``python -m support.peers.matrix`` (from the folder tests) runs all peers and writes the tables into
the README; a test does the same and compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from support.peers.facts import ASPECTS, Facts, facts_of
from support.peers.recording import TESTS, record
from support.peers.scenarios import SCENARIOS

README: Final = TESTS.parent / "README.md"
OURS: Final = "clearml_otel"
PEERS: Final[Mapping[str, str]] = {
    "openinference": "OpenInference",
    "traceloop": "OpenLLMetry",
    "langfuse": "Langfuse",
    "mlflow": "MLflow",
    "langsmith": "LangSmith",
    "genai": "OTel GenAI",
    "genai_default": "…, no content (its default)",
    "openinference_redacted": "OpenInference, hidden",
    "openai": "OTel OpenAI client",
}
FRAMEWORKS: Final[Mapping[str, str]] = {
    "pydantic_ai": "PydanticAI",
    "openai_agents_openinference": "OpenAI Agents, OpenInference",
    "openai_agents_genai": "OpenAI Agents, OTel GenAI",
}
# the program that the other frameworks run too
SAME_AGENT: Final = "create_agent with tools"
_COMPARABLE: Final = ("model calls", "models", "finish reasons", "tools", "tool arguments")
_START: Final = "<!-- peers:start -->"
_END: Final = "<!-- peers:end -->"


def tables() -> str:
    """Run every peer and say what was recovered, as three Markdown tables."""
    ours = {name: facts_of(spans) for name, spans in record(OURS).items()}
    peers = {
        peer: {name: facts_of(spans) for name, spans in record(peer).items()} for peer in PEERS
    }
    frameworks = {name: facts_of(record(name)[name]) for name in FRAMEWORKS}
    return "\n\n".join(
        [
            _by_aspect(ours, peers),
            "Scenario by scenario, all of the above together:",
            _by_scenario(ours, peers),
            "The agent with two tools, written for other frameworks:",
            _by_framework(ours[SAME_AGENT], frameworks),
        ]
    )


def _by_aspect(ours: Mapping[str, Facts], peers: Mapping[str, Mapping[str, Facts]]) -> str:
    rows = [
        [
            meaning,
            *(
                _cell([(ours[name][aspect], found[name][aspect]) for name in SCENARIOS])
                for found in peers.values()
            ),
        ]
        for aspect, meaning in ASPECTS.items()
    ]
    return _markdown(["recovered of", *PEERS.values()], rows)


def _by_scenario(ours: Mapping[str, Facts], peers: Mapping[str, Mapping[str, Facts]]) -> str:
    rows = [
        [
            name,
            *(
                _cell([(ours[name][aspect], found[name][aspect]) for aspect in ASPECTS])
                for found in peers.values()
            ),
        ]
        for name in SCENARIOS
    ]
    return _markdown(["scenario", *PEERS.values()], rows)


def _by_framework(ours: Facts, frameworks: Mapping[str, Facts]) -> str:
    rows = [
        [
            ASPECTS[aspect],
            *(_cell([(ours[aspect], found[aspect])]) for found in frameworks.values()),
        ]
        for aspect in _COMPARABLE
    ]
    return _markdown(["recovered of", *FRAMEWORKS.values()], rows)


def _cell(pairs: Sequence[tuple[Counter[Any], Counter[Any]]]) -> str:
    """How much of what our own spans tell is told too, and what is told besides."""
    hits = sum((wanted & found).total() for wanted, found in pairs)
    wanted = sum(wanted.total() for wanted, _ in pairs)
    more = sum((found - wanted).total() for wanted, found in pairs)
    return (f"{hits}/{wanted}" if hits else f"–/{wanted}") + (f" +{more}" if more else "")


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def in_readme(text: str) -> str:
    """The part of the README that these tables are."""
    return text.partition(_START)[2].partition(_END)[0].strip()


def write(path: Path, made: str) -> None:
    """Put the tables into the README."""
    text = path.read_text()
    before, _, rest = text.partition(_START)
    after = rest.partition(_END)[2]
    path.write_text(f"{before}{_START}\n{made}\n{_END}{after}")


if __name__ == "__main__":
    write(README, tables())
