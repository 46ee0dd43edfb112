"""What tools answered and kept, and what retrievers found, in real runs' rows."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import PurePosixPath
from typing import Annotated, Any
from uuid import UUID

import pandas as pd
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, StructuredTool, tool
from langgraph.types import Command
from pydantic import BaseModel

from clearml_otel import attributes as names
from clearml_otel.langchain.documents import documents_json
from clearml_otel.langchain.tool_results import tool_artifact, tool_output
from support.genai_schema import documents_validator
from support.langchain_apps import PIXELS, PIXELS_SIZE, Shelf
from support.traced import Traced, traced


class Report(BaseModel):
    title: str
    pages: int


IMAGE = {"type": "image", "base64": PIXELS, "mime_type": "image/png"}


def row(tracing: Traced, action: str) -> dict[str, Any]:
    (found,) = [each for each in tracing.tables.records if each["action"] == action]
    return found


def run(
    tracing: Traced, output: Any, *, artifact: Any = None, called: bool = True
) -> dict[str, Any]:
    """The end row of a tool that gives this output, called by a model or by hand."""

    def work(q: str) -> Any:
        """Works."""
        return output if artifact is None else (output, artifact)

    form = "content" if artifact is None else "content_and_artifact"
    made = StructuredTool.from_function(work, response_format=form)
    call = {"name": "work", "args": {"q": "x"}, "id": "c", "type": "tool_call"}
    made.invoke(call if called else "x", tracing.config)
    return row(tracing, "on_tool_end")


@pytest.mark.parametrize("called", [True, False], ids=["by a model", "by hand"])
@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("sunny", "sunny"),
        (["a", "b"], '["a", "b"]'),
        ({"a": 1}, '{"a": 1}'),
        (42, "42"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([{"type": "text", "text": "see"}, IMAGE], f"see [image/png, {PIXELS_SIZE} bytes]"),
        (ToolMessage("42", tool_call_id="c"), "42"),
        (Command(update={"messages": [ToolMessage("42", tool_call_id="c")]}, goto="x"), "42"),
        (
            [Command(update={"messages": [ToolMessage("42", tool_call_id="c")]})],
            "42",
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_outputs_are_texts(tracing: Traced, output: Any, wanted: str, called: bool) -> None:
    found = str(run(tracing, output, called=called)["output"])
    assert found.replace(" ", "") == wanted.replace(" ", "")
    assert "tool_call_id" not in found


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        (Report(title="t", pages=3), '{"title":"t","pages":3}'),
        ([Report(title="t", pages=3)], '[{"title":"t","pages":3}]'),
        (Document("d", metadata={"source": "s"}), "d"),
        ([Document("d", metadata={"source": "s"})], '[{"content":"d","source":"s"}]'),
        (b"\x00\x01", "[file, 2 bytes]"),
        (None, "null"),
        (Command(goto="x"), '{"goto":"x"}'),
        (Command(update={"count": 3}), '{"update":{"count":3}}'),
        ([], "[]"),
        ((), "[]"),
        ("", ""),
        (AIMessage("a"), "a"),
        ([ToolMessage("a", tool_call_id="1"), ToolMessage("b", tool_call_id="2")], "a\nb"),
        (ToolMessage("", tool_call_id="1"), ""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_outputs_of_other_kinds(output: Any, wanted: str) -> None:
    assert tool_output(output) == wanted


def test_no_addresses_of_objects() -> None:
    for value in (object(), [object()], {"a": object()}, lambda: 1, Report.model_json_schema):
        assert "0x" not in tool_output(value)


def test_a_tool_that_commands_the_graph(tracing: Traced) -> None:
    @tool
    def move(city: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Moves."""
        done = ToolMessage(f"moved to {city}", tool_call_id=tool_call_id)
        return Command(goto="next", update={"messages": [done], "city": city})

    move.invoke(
        {"name": "move", "args": {"city": "Oslo"}, "id": "c", "type": "tool_call"}, tracing.config
    )
    assert row(tracing, "on_tool_end")["output"] == "moved to Oslo"
    assert row(tracing, "on_tool_start")["input_str"] == "Oslo"


# -- artifacts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("artifact", "wanted"),
    [
        ({"rows": [1, 2]}, {"rows": [1, 2]}),
        ("a text", "a text"),
        (7, 7),
        ([Document("d", id="1")], [{"id": "1", "content": "d"}]),
        ({"png": PIXELS}, {"png": f"<base64 of {PIXELS_SIZE} bytes>"}),
        ({"api_key": "hunter2"}, {"api_key": "**********"}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_artifacts_are_kept_apart(tracing: Traced, artifact: Any, wanted: Any) -> None:
    found = run(tracing, "said", artifact=artifact)
    assert found["output"] == "said"
    assert json.loads(found["artifact"]) == wanted
    assert tracing.one().attributes[names.TOOL_ARTIFACT] == found["artifact"]


def test_an_artifact_of_bytes_is_told_by_reference(tracing: Traced) -> None:
    found = run(tracing, "said", artifact=base64.b64decode(PIXELS))
    said = json.loads(found["artifact"])
    assert (said["size"], said["hash"][:7]) == (PIXELS_SIZE, "sha256:")


def test_a_long_artifact_is_cut(tracing: Traced) -> None:
    rows = {"rows": [f"row {number}" for number in range(100_000)], "text": "x" * 100_000}
    began = time.thread_time()
    found = run(tracing, "said", artifact=rows)
    assert time.thread_time() - began < 1
    said = json.loads(found["artifact"])
    assert said["rows"][:2] == ["row 0", "row 1"]
    assert said["rows"][-1].endswith("more")
    assert len(found["artifact"]) < 50_000


def test_without_an_artifact_there_is_no_column(tracing: Traced) -> None:
    assert "artifact" not in run(tracing, "said")
    assert tool_artifact("text") is None
    assert tool_artifact(None) is None
    assert tool_artifact([AIMessage("a")]) is None


def test_without_content_there_is_no_artifact() -> None:
    made = traced(capture_content=False)
    run(made, "hidden", artifact="hidden too")
    assert "hidden" not in repr(made.records)


# -- retrievers --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_a_retrievers_rows(tracing: Traced, how: str) -> None:
    found = [
        Document("first", id="d1", metadata={"source": "a.txt", "score": 0.5, "page": 3}),
        Document("second", metadata={"url": "https://u:pw@host/x", "relevance_score": "0.25"}),
        Document("third", metadata={"path": "/p", "_score": 3}),
        Document("fourth", metadata={"file_path": "/f", "distance": 0.1, "_id": 7}),
        Document("fifth"),
    ]
    shelf = Shelf(documents=found)
    if how == "ainvoke":
        asyncio.run(shelf.ainvoke("q", tracing.config))
    else:
        shelf.invoke("q", tracing.config)
    assert row(tracing, "on_retriever_start")["query"] == "q"
    told = json.loads(row(tracing, "on_retriever_end")["documents"])
    documents_validator.validate(told)
    assert told == [
        {"id": "d1", "content": "first", "source": "a.txt", "score": 0.5},
        {"content": "second", "source": "https://**********@host/x", "score": 0.25},
        {"content": "third", "source": "/p", "score": 3},
        {"id": "7", "content": "fourth", "source": "/f", "score": 0.1},
        {"content": "fifth"},
    ]


class FloatLike:
    def __repr__(self) -> str:
        return "FloatLike()"

    """As NumPy's scalars are."""

    def __float__(self) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("score", "wanted"),
    [
        (0, 0),
        (0.0, 0.0),
        (-1.5, -1.5),
        (FloatLike(), 0.5),
        ("0.5", 0.5),
        ("high", None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ([1], None),
    ],
    ids=repr,
)
def test_scores_are_numbers_or_left_out(score: Any, wanted: float | None) -> None:
    (told,) = json.loads(documents_json([Document("d", metadata={"score": score})]))
    assert told.get("score") == wanted
    (pair,) = json.loads(documents_json([(Document("d"), score)]))
    assert pair.get("score") == wanted


def test_ids_and_sources_are_texts() -> None:
    number = UUID(int=1)
    found = Document("d", metadata={"source": PurePosixPath("a/b.txt"), "_id": number})
    (told,) = json.loads(documents_json([found]))
    assert told == {"id": str(number), "content": "d", "source": "a/b.txt"}


def test_metadata_that_cannot_be_compared_costs_no_document() -> None:
    """As rows of tables have it: missing values, and arrays."""
    found = [
        Document("a", metadata={"source": pd.NA, "score": pd.NA}),
        Document("b", metadata={"source": float("nan"), "url": "u", "score": 0.5}),
        Document("c", metadata={"score": pd.Series([1, 2]), "source": pd.Series([1, 2])}),
        (Document("d"), pd.NA),
    ]
    told = json.loads(documents_json(found))
    documents_validator.validate(told)
    assert [row["content"] for row in told] == ["a", "b", "c", "d"]
    assert told[1] == {"content": "b", "source": "u", "score": 0.5}
    assert [row.get("score") for row in told] == [None, 0.5, None, None]


def test_documents_are_bounded_in_number_and_size() -> None:
    many = json.loads(documents_json([Document(f"d{number}") for number in range(250)]))
    assert len(many) == 101
    assert many[-1] == {"content": "… 150 more"}
    long = documents_json([Document("word " * 100_000) for _ in range(200)])
    assert len(long) < 400_000
    documents_validator.validate(json.loads(long))
    assert "cut from 500000" in json.loads(long)[0]["content"]


def test_documents_in_other_forms() -> None:
    forms = [
        {"page_content": "a", "metadata": {"source": "s", "score": 1}},
        {"page_content": "b", "id": "2"},
        "c",
        HumanMessage("d"),
        {"title": "no document"},
    ]
    told = json.loads(documents_json(forms))
    documents_validator.validate(told)
    assert told[:3] == [
        {"content": "a", "source": "s", "score": 1},
        {"id": "2", "content": "b"},
        {"content": "c"},
    ]
    assert json.loads(documents_json(None)) is None


def test_files_in_documents_stay_out() -> None:
    text = documents_json([Document(f"see {PIXELS}", metadata={"source": PIXELS})])
    assert PIXELS[:40] not in text
