"""Which runs are which operations of the GenAI conventions, and of what kind their spans are.

LangChain calls ``on_chain_start`` for agents, graphs, their nodes, sequences, prompts and parsers
alike, and its metadata is inherited by everything inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry.trace import SpanKind

from clearml_otel import attributes as names
from clearml_otel.langchain.mappings import fields_of, word

_CLASSIC_AGENT: Final = "AgentExecutor"
_UNNAMED_GRAPH: Final = "LangGraph"
_AGENT: Final = "langchain_create_agent"
_GRAPH: Final = "langgraph"
_NODE_TAG: Final = "graph:step:"
_RETRIEVERS: Final = (
    ("ls_vector_store_provider", names.PROVIDER_NAME),
    ("ls_embedding_model", names.REQUEST_MODEL),
)

SPAN_KINDS: Final[Mapping[str, SpanKind]] = {
    "llm": SpanKind.CLIENT,
    "chat_model": SpanKind.CLIENT,
    "retriever": SpanKind.CLIENT,
    "chain": SpanKind.INTERNAL,
    "tool": SpanKind.INTERNAL,
}
"""The conventions' kind of a run's span: models and retrievers are clients of something."""


def operation_of_chain(
    name: str,
    serialized: Mapping[str, Any] | None,
    metadata: Mapping[str, Any],
    tags: Sequence[str] | None,
    is_root: bool,
) -> dict[str, Any]:
    """The operation that a chain's start stands for, as attributes; empty for most chains.

    An agent is LangChain's ``create_agent`` graph, the classic ``AgentExecutor`` and a LangGraph
    graph whose name ends in "agent"; a workflow is another LangGraph graph that runs in no other.

    Args:
        name: the run's name.
        serialized: the callback's first argument; None for most of today's runs.
        metadata: the callback's metadata.
        tags: the callback's tags, by which the nodes of a graph are known.
        is_root: whether the run has no parent.
    """
    integration = metadata.get("ls_integration")
    if integration is None and name != _UNNAMED_GRAPH:
        return {} if serialized is None and name != _CLASSIC_AGENT else _classic(name, serialized)
    if "langgraph_node" in metadata:
        return {} if integration != _AGENT else _nested_agent(name, metadata, tags)
    if integration == _AGENT:
        return _agent(metadata.get("lc_agent_name"), metadata)
    if integration == _GRAPH or (is_root and name == _UNNAMED_GRAPH):
        if name.lower().endswith("agent"):
            return _agent(name, metadata)
        return {names.OPERATION_NAME: "invoke_workflow", names.WORKFLOW_NAME: name}
    return {}


def retrieval_attributes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A retriever's operation, with the vector store and the embedding model behind it.

    Args:
        metadata: the callback's metadata; LangChain's retrievers over vector stores tell both.
    """
    found: dict[str, Any] = {names.OPERATION_NAME: "retrieval"}
    for key, attribute in _RETRIEVERS:
        value = metadata.get(key)
        if value is not None and (known := word(value)):
            found[attribute] = known
    return found


def _classic(name: str, serialized: Mapping[str, Any] | None) -> dict[str, Any]:
    identity = fields_of(serialized).get("id")
    last = cast("list[object]", identity)[-1] if isinstance(identity, list) and identity else None
    return _agent(name, {}) if _CLASSIC_AGENT in (name, last) else {}


def _nested_agent(
    name: str, metadata: Mapping[str, Any], tags: Sequence[str] | None
) -> dict[str, Any]:
    """An agent's graph inside of another graph, which hands its own metadata down to it."""
    own = metadata.get("lc_agent_name")
    if name not in (own, _UNNAMED_GRAPH):
        return {}
    if any(str(tag).startswith(_NODE_TAG) for tag in tags or ()):
        return {}
    # an unnamed one inherits the name of the agent around it
    return _agent(own if name == own else None, {})


def _agent(name: object, metadata: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {names.OPERATION_NAME: "invoke_agent"}
    if name is not None and (known := word(name)):
        found[names.AGENT_NAME] = known
    agent_id = metadata.get("assistant_id")  # set by LangGraph's server
    if agent_id is not None and (known := word(agent_id)):
        found[names.AGENT_ID] = known
    return found
