"""Retrievers, embeddings and the chains that answer from documents."""

from __future__ import annotations

import json

import pytest
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from support.shape_parts import Library, TurnsModel, shelf
from support.shapes import Raised, Shapes


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_documents_with_id_source_and_score(shape: Shapes, how: str) -> None:
    async def ainvoke() -> object:
        return await Library().ainvoke("bears")

    seen = shape(ainvoke if how == "ainvoke" else lambda: Library().invoke("bears"))
    assert seen.outline == ["retriever Library"]
    query, documents = seen.io("Library")
    assert query == "bears"
    (found,) = json.loads(documents)
    assert found["content"] == "about bears"
    assert (found["id"], found["source"], found["score"]) == ("d1", "shelf.txt", 0.5)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_an_error(shape: Shapes, how: str) -> None:
    library = Library(error=OSError("shelf is empty"))

    async def ainvoke() -> object:
        return await library.ainvoke("bears")

    seen = shape(ainvoke if how == "ainvoke" else lambda: library.invoke("bears"))
    assert seen.result == Raised("OSError", "shelf is empty")
    end = seen.end("Library")
    assert (end["action"], end["error_type"]) == ("on_retriever_error", "OSError")
    assert end["error_message"] == "shelf is empty"


def test_a_vector_store(shape: Shapes) -> None:
    def program() -> list[str]:
        retriever = shelf("bears eat honey", "cats eat fish").as_retriever(search_kwargs={"k": 2})
        return sorted(each.page_content for each in retriever.invoke("honey"))

    seen = shape(program)
    assert seen.result == ["bears eat honey", "cats eat fish"]
    query, documents = seen.io("VectorStoreRetriever")
    assert query == "honey"
    assert sorted(each["id"] for each in json.loads(documents)) == ["t0", "t1"]


def test_no_documents(shape: Shapes) -> None:
    seen = shape(lambda: shelf().as_retriever().invoke("anything"))
    assert seen.result == []
    assert seen.io("VectorStoreRetriever") == ("anything", "[]")


def test_many_large_documents(shape: Shapes) -> None:
    class Big(Library):
        def _get_relevant_documents(self, query: str, *, run_manager: object) -> list[Document]:
            return [Document("x" * 10_000, id=f"n{number}") for number in range(300)]

    seen = shape(lambda: len(Big().invoke("all")))
    assert seen.result == 300
    documents = seen.io("Big")[1]
    assert len(documents) < 1_500_000
    assert json.loads(documents)[0]["id"] == "n0"


def test_documents_of_odd_metadata(shape: Shapes) -> None:
    class Odd(Library):
        def _get_relevant_documents(self, query: str, *, run_manager: object) -> list[Document]:
            return [Document("a\ud800b", metadata={"source": object(), "score": float("nan")})]

    seen = shape(lambda: len(Odd().invoke("q\udfff")))
    assert seen.io("Odd")[0] == "q?"
    assert json.loads(seen.io("Odd")[1])[0]["content"] == "a?b"


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream"])
def test_answers_from_documents(shape: Shapes, how: str) -> None:
    def rag() -> RunnableLambda:
        prompt = ChatPromptTemplate.from_template("{context}\n\nQuestion: {question}")
        joined = Library() | RunnableLambda(lambda found: found[0].page_content).with_config(
            run_name="join"
        )
        answer = prompt | TurnsModel(turns=["Honey."]) | StrOutputParser()
        chain = {"context": joined, "question": RunnablePassthrough()} | answer
        return chain.with_config(run_name="Answer")

    async def ainvoke() -> object:
        return await rag().ainvoke("bears?")

    programs = {
        "invoke": lambda: rag().invoke("bears?"),
        "ainvoke": ainvoke,
        "stream": lambda: "".join(rag().stream("bears?")),
    }
    seen = shape(programs[how])
    assert seen.result == "Honey."
    assert seen.pairs == [("Human: about bears?\n\nQuestion: bears?", "Honey.")]
    assert seen.end("Answer")["outputs"] == "Honey."
    assert seen.io("Library")[0] == "bears?"
    library = seen.run("Library")
    above = next(run for run in seen.runs if run["run_id"] == library["parent_run_id"])
    assert (above["type"], above["name"]) == ("chain", "RunnableSequence")
    assert seen.io("join")[1] == "about bears?"
