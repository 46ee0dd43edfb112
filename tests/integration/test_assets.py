"""Any LangChain asset becomes an output model; no secret goes with it."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from langchain_classic.agents import AgentType, initialize_agent
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import Tool
from langchain_openai import ChatOpenAI, OpenAI
from langgraph.graph import END, START, StateGraph

from clearml_otel import ClearMLCallbackHandler
from clearml_otel.langchain.asset import AssetError, dump_asset
from support.offline import OfflineClearML

SECRET = "sk-a-very-secret-key"


def completion() -> Any:
    return OpenAI(
        model="some-model",
        api_key=SECRET,
        base_url=f"http://user:{SECRET}@127.0.0.1:9/v1",
        default_headers={"Authorization": f"Bearer {SECRET}", "X-Kept": "kept"},
    )


def chat() -> Any:
    return ChatOpenAI(model="some-chat-model", api_key=SECRET)


def chain() -> Any:
    return ChatPromptTemplate.from_messages([("human", "{question}")]) | chat()


def agent() -> Any:
    tool = Tool(name="Search", func=lambda query: query, description="A search engine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return initialize_agent([tool], completion(), agent=AgentType.ZERO_SHOT_REACT_DESCRIPTION)


def graph() -> Any:
    builder = StateGraph(dict)
    builder.add_node("ask", lambda state: state)
    builder.add_node("answer", lambda state: state)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "answer")
    builder.add_edge("answer", END)
    return builder.compile()


ASSETS = {
    "completion": (completion, "some-model", False),
    "chat": (chat, "some-chat-model", False),
    "chain": (chain, "some-chat-model", True),
    "agent": (agent, "some-model", False),
    "graph": (graph, "answer", True),
}


@pytest.mark.parametrize("kind", ASSETS)
def test_written_down_without_secrets(kind: str) -> None:
    make, holds, drawn = ASSETS[kind]
    file = dump_asset(make())
    text = file.data.decode()
    fields = json.loads(text)
    assert isinstance(fields, dict)
    assert holds in text
    assert SECRET not in text
    assert ("graph TD" in fields.get("graph_mermaid", "")) == drawn


def test_what_has_no_secret_stays() -> None:
    saved = json.loads(dump_asset(completion()).data)
    assert saved["temperature"] == 0.7
    assert "user:" not in str(saved)


def test_nothing_to_write_down() -> None:
    class Broken:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("broken")

    with pytest.raises(AssetError, match="Broken"):
        dump_asset(Broken())


@pytest.mark.parametrize("kind", ASSETS)
def test_reaches_clearml(kind: str, offline: OfflineClearML) -> None:
    handler = ClearMLCallbackHandler(task_name="assets")
    handler.flush_tracker(kind, langchain_asset=ASSETS[kind][0](), finish=True)
    session = offline.session()
    assert session.models == {kind}
    assert any(name.startswith("models/") for name in session.names)
