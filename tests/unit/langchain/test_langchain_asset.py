"""Any LangChain asset as a JSON file, without secrets."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from langchain_core.language_models import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import SecretStr

from clearml_otel.langchain.asset import AssetError, dump_asset


def dumped(asset: object) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = dump_asset(asset)
    assert file.class_name == type(asset).__name__
    return json.loads(file.data)


@tool
def shout(text: str) -> str:
    """Says it louder."""
    return text.upper()


def test_a_model() -> None:
    # the one has a `save` that works, the other has none
    assert dumped(FakeListLLM(responses=["a"]))["_type"] == "fake-list"
    assert "FakeListChatModel" in json.dumps(dumped(FakeListChatModel(responses=["a"])))


@pytest.mark.parametrize("kind", ["OpenAI", "ChatOpenAI"])
def test_no_secret_of_a_model_is_in_its_file(kind: str) -> None:
    langchain_openai = pytest.importorskip("langchain_openai")
    model = getattr(langchain_openai, kind)(
        model="gpt-x",
        api_key="hunter2",
        base_url="https://user:hunter2@localhost:1/v1",
        default_headers={"x-api-key": "hunter2", "Authorization": "Bearer hunter2"},
    )
    text = dump_asset(model).data.decode()
    assert "gpt-x" in text
    assert "hunter2" not in text


def test_a_chain() -> None:
    chain = ChatPromptTemplate.from_template("about {x}") | FakeListChatModel(responses=["a"])
    fields = dumped(chain)
    assert fields["id"][-1] == "RunnableSequence"
    assert "about {x}" in json.dumps(fields)
    assert "PromptInput" in fields["graph_mermaid"]


def test_a_prompt_is_saved_its_own_way() -> None:
    assert dumped(PromptTemplate.from_template("about {x}"))["template"] == "about {x}"


def test_lambdas_and_tools() -> None:
    assert dumped(RunnableLambda(lambda x: x))
    assert dumped(shout)


def test_a_graph() -> None:
    langgraph = pytest.importorskip("langgraph.graph")
    builder = langgraph.StateGraph(dict)
    builder.add_node("ask", lambda state: state)
    builder.add_node("tell", lambda state: state)
    builder.add_edge(langgraph.START, "ask")
    builder.add_edge("ask", "tell")
    fields = dumped(builder.compile())
    assert "ask" in fields["graph_mermaid"]


def test_representations_are_left_out() -> None:
    class Client:
        def __repr__(self) -> str:
            return "Client(key='hunter2')"

    assert "hunter2" not in dump_asset(Client()).data.decode()
    chain = RunnableLambda(lambda x: x).bind(client=Client(), key=SecretStr("hunter2"))
    assert "hunter2" not in dump_asset(chain).data.decode()


def test_a_save_that_fails_is_no_failure() -> None:
    class Asset(FakeListLLM):
        def save(self, file_path: object) -> None:
            raise NotImplementedError

    assert dumped(Asset(responses=["a"]))


@pytest.mark.parametrize("asset", [3, "text", None, [1]], ids=repr)
def test_what_is_no_asset_ends_in_one_line(asset: object) -> None:
    with pytest.raises(AssetError) as caught:
        dump_asset(asset)
    assert len(str(caught.value).splitlines()) == 1


def test_an_asset_that_raises_ends_in_one_line() -> None:
    class Broken(FakeListChatModel):
        @classmethod
        def is_lc_serializable(cls) -> bool:
            return True

        def to_json(self) -> Any:
            raise ValueError("one\ntwo")

    with pytest.raises(AssetError) as caught:
        dump_asset(Broken(responses=["a"]))
    assert "\n" not in str(caught.value)


def test_surrogates_in_an_asset_are_replaced() -> None:
    dump_asset(FakeListLLM(responses=["a\ud800"])).data.decode("utf-8")
