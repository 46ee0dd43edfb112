"""Several instrumentations watch the same programs: the tables are as with the best alone."""

from __future__ import annotations

import pytest

from support.peers.facts import facts_of
from support.peers.recording import record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ours() -> dict[str, object]:
    return {name: facts_of(spans) for name, spans in record("clearml_otel").items()}


@pytest.mark.parametrize(
    "peers",
    [
        # the three other LangChain packages, before and after ours
        ("clearml_otel", "openinference", "traceloop", "genai"),
        ("openinference", "traceloop", "genai", "clearml_otel"),
        ("clearml_otel", "langfuse"),
        ("langfuse", "clearml_otel"),
        ("clearml_otel", "langsmith"),
        ("clearml_otel", "mlflow"),
        # the provider's client below the framework
        ("clearml_otel", "openai"),
    ],
    ids="+".join,
)
def test_beside_ours(peers: tuple[str, ...], ours: dict[str, object]) -> None:
    found = record(*peers)
    scopes = {span.scope_name for spans in found.values() for span in spans}
    # a provider's client may keep quiet below a framework's call
    assert len(scopes) >= len(peers) - ("openai" in peers)
    assert {name: facts_of(spans) for name, spans in found.items()} == ours


@pytest.mark.parametrize(
    "peers",
    [("openinference", "openai"), ("traceloop", "openai"), ("openinference", "langfuse")],
    ids="+".join,
)
def test_without_ours(peers: tuple[str, str]) -> None:
    alone, together = record(peers[0]), record(*peers)
    for name, spans in alone.items():
        wanted, found = facts_of(spans), facts_of(together[name])
        if "langfuse" in peers:
            # its spans of a batch stand inside each other, and others' spans then stand inside them
            del wanted["parents"], found["parents"]
        assert found == wanted, name
