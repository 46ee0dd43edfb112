"""Which chains are agents and workflows, of LangChain's own agents and graphs."""

from __future__ import annotations

import warnings
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_classic.agents import AgentExecutor, create_react_agent
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.graph import START, StateGraph
from opentelemetry.trace import SpanKind

from clearml_otel import attributes as names
from clearml_otel.langchain.operations import SPAN_KINDS, operation_of_chain, retrieval_attributes
from clearml_otel.spans import SpanRecord
from support.scripted_models import ScriptedLLM
from support.traced import Traced

OPERATIONS = (names.OPERATION_NAME, names.AGENT_NAME, names.AGENT_ID, names.WORKFLOW_NAME)
QUESTION: Any = {"messages": [("user", "1 + 2?")]}


class State(TypedDict):
    x: int


def step(state: State) -> State:
    return {"x": state["x"] + 1}


def graph(name: str | None = None, node: str = "n", run: Any = step) -> Any:
    return StateGraph(State).add_node(node, run).add_edge(START, node).compile(name=name)


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


class Scripted(GenericFakeChatModel):
    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(each) for each in tools])


def agent(name: str | None = None, tools: tuple[Any, ...] = (add,)) -> Any:
    call = {"name": tools[0].name, "args": {"a": 1, "b": 2}, "id": "c1"}
    turns = [AIMessage("", tool_calls=[call]), AIMessage("3")]
    return create_agent(Scripted(messages=iter(turns)), list(tools), name=name)


def told(record: SpanRecord) -> dict[str, Any]:
    return {key: record.attributes[key] for key in OPERATIONS if key in record.attributes}


def chains(tracing: Traced) -> dict[str, dict[str, Any]]:
    """What chains' spans tell, by the spans' names; those that tell nothing left out."""
    return {record.name: told(record) for record in tracing.of_type("chain") if told(record)}


# -- real agents and graphs ------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "math"])
def test_an_agent_is_one_operation_and_its_nodes_are_none(tracing: Traced, name: str) -> None:
    agent(name).invoke(QUESTION, tracing.config)
    title = f"invoke_agent {name}" if name else "invoke_agent"
    wanted = {names.OPERATION_NAME: "invoke_agent"} | ({names.AGENT_NAME: name} if name else {})
    assert chains(tracing) == {title: wanted}


def test_the_name_that_a_run_is_given_is_not_the_agents(tracing: Traced) -> None:
    agent("math").invoke(QUESTION, {**tracing.config, "run_name": "tuesday"})
    assert chains(tracing)["invoke_agent math"][names.AGENT_NAME] == "math"


def test_an_agent_in_a_sequence(tracing: Traced) -> None:
    (RunnableLambda(lambda text: QUESTION) | agent("math")).invoke("q", tracing.config)
    assert list(chains(tracing)) == ["invoke_agent math"]


def test_a_workflow_and_its_subgraph(tracing: Traced) -> None:
    graph("flow", "sub", graph("inner")).invoke({"x": 1}, tracing.config)
    assert chains(tracing) == {
        "invoke_workflow flow": {
            names.OPERATION_NAME: "invoke_workflow",
            names.WORKFLOW_NAME: "flow",
        }
    }


def test_a_graph_named_as_an_agent(tracing: Traced) -> None:
    graph("research_agent").invoke({"x": 1}, tracing.config)
    assert chains(tracing) == {
        "invoke_agent research_agent": {
            names.OPERATION_NAME: "invoke_agent",
            names.AGENT_NAME: "research_agent",
        }
    }


class Messages(TypedDict):
    messages: list[Any]


@pytest.mark.parametrize("node", ["helper", "math"])
def test_an_agent_in_a_graph(tracing: Traced, node: str) -> None:
    outer = StateGraph(Messages).add_node(node, agent("math")).add_edge(START, node)
    outer.compile(name="flow").invoke(QUESTION, tracing.config)
    assert sorted(chains(tracing)) == ["invoke_agent math", "invoke_workflow flow"]


def test_an_agent_in_the_tool_of_another(tracing: Traced) -> None:
    @tool
    def ask(a: int, b: int) -> str:
        """Ask another agent."""
        return agent().invoke(QUESTION)["messages"][-1].content

    agent("outer", (ask,)).invoke(QUESTION, tracing.config)
    assert chains(tracing) == {
        "invoke_agent outer": {
            names.OPERATION_NAME: "invoke_agent",
            names.AGENT_NAME: "outer",
        },
        # not by the name that it inherits
        "invoke_agent": {names.OPERATION_NAME: "invoke_agent"},
    }


def test_a_classic_agent(tracing: Traced) -> None:
    prompt = PromptTemplate.from_template("{tools} {tool_names} {input} {agent_scratchpad}")

    class Answering(ScriptedLLM):
        def _stream(self, prompt: str, *args: Any, **kwargs: Any) -> Any:
            self.answers = {prompt: ["Thought: done\nFinal Answer: 3"]}
            return super()._stream(prompt, *args, **kwargs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        executor = AgentExecutor(agent=create_react_agent(Answering(), [add], prompt), tools=[add])
        executor.invoke({"input": "1 + 2?"}, tracing.config)
    assert list(chains(tracing)) == ["invoke_agent AgentExecutor"]


def test_plain_chains_are_no_operations(tracing: Traced) -> None:
    (RunnableLambda(str) | RunnableLambda(len)).invoke(1, tracing.config)
    assert chains(tracing) == {}
    assert len(tracing.of_type("chain")) == 3


def test_a_retrieval_from_a_vector_store(tracing: Traced) -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=3))
    store.add_texts(["a"])
    store.as_retriever().invoke("q", tracing.config)
    record = tracing.one()
    assert record.kind == "client"
    assert record.attributes[names.OPERATION_NAME] == "retrieval"
    assert record.attributes[names.PROVIDER_NAME] == "InMemoryVectorStore"


# -- the pure part ---------------------------------------------------------------------------


def test_a_graph_before_langchain_told_who_made_it() -> None:
    assert operation_of_chain("LangGraph", None, {}, None, True) == {
        names.OPERATION_NAME: "invoke_workflow",
        names.WORKFLOW_NAME: "LangGraph",
    }
    assert operation_of_chain("LangGraph", None, {}, None, False) == {}


def test_a_classic_agent_of_another_run_name() -> None:
    serialized = {"id": ["langchain", "agents", "agent", "AgentExecutor"]}
    found = operation_of_chain("tuesday", serialized, {}, None, True)
    assert found[names.OPERATION_NAME] == "invoke_agent"
    for nothing in ({}, {"id": []}, {"id": "AgentExecutor"}, {"id": None}):
        assert operation_of_chain("tuesday", nothing, {}, None, True) == {}


def test_retrievals() -> None:
    metadata = {"ls_vector_store_provider": "Chroma", "ls_embedding_model": "text-embedding-3"}
    assert retrieval_attributes(metadata) == {
        names.OPERATION_NAME: "retrieval",
        names.PROVIDER_NAME: "Chroma",
        names.REQUEST_MODEL: "text-embedding-3",
    }
    assert retrieval_attributes({}) == {names.OPERATION_NAME: "retrieval"}


def test_an_agent_on_langgraphs_server_has_an_id() -> None:
    metadata = {"ls_integration": "langchain_create_agent", "assistant_id": "fe096781"}
    assert operation_of_chain("LangGraph", None, metadata, [], True) == {
        names.OPERATION_NAME: "invoke_agent",
        names.AGENT_ID: "fe096781",
    }


@pytest.mark.parametrize(
    ("run_type", "kind"),
    [
        ("llm", SpanKind.CLIENT),
        ("chat_model", SpanKind.CLIENT),
        ("retriever", SpanKind.CLIENT),
        ("tool", SpanKind.INTERNAL),
        ("chain", SpanKind.INTERNAL),
    ],
)
def test_span_kinds(run_type: str, kind: SpanKind) -> None:
    assert SPAN_KINDS[run_type] is kind
