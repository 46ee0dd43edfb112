"""What of a run's content goes on its spans: captured or not, redacted, cut."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.agents import AgentAction
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from clearml_otel import attributes as names
from clearml_otel.langchain.content import SHORTEST_LIMIT, UNREDACTED, Content
from support.scripted_models import ScriptedChatModel, ScriptedLLM
from support.traced import Traced, traced

SECRET = "swordfish"


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(f"{query} {SECRET}", metadata={"source": "a.txt", "score": 0.5})]


@tool
def repeat(text: str, times: int) -> str:
    """Says it again."""
    return text * times


@tool
def fail(text: str) -> str:
    """Fails."""
    raise ValueError(text)


def every_kind_of_content(made: Traced) -> None:
    """Runs of every type that say the secret wherever content can stand."""
    told = f"the word is {SECRET}"
    ScriptedLLM(answers={told: [told]}).invoke(told, made.config)
    ScriptedChatModel(answer=AIMessage(told)).invoke([HumanMessage(told)], made.config)
    RunnableLambda(lambda x: {"output": x}).invoke({"input": told}, made.config)
    repeat.invoke({"text": told, "times": 2}, made.config)
    Shelf().invoke(told, made.config)
    with pytest.raises(ValueError, match=SECRET):
        fail.invoke({"text": told}, made.config)
    run_id = uuid4()
    made.handler.on_chain_start(None, told, run_id=run_id)
    made.handler.on_text(told, run_id=run_id)
    made.handler.on_agent_action(AgentAction("Search", told, told), run_id=run_id)
    made.handler.on_custom_event("progress", {"deep": [told]}, run_id=run_id)
    made.handler.on_chain_end({"output": {"nested": [told]}}, run_id=run_id)


def everything_told(made: Traced) -> str:
    parts: list[object] = []
    for span in made.spans:
        parts += [span.name, span.status.description, dict(span.attributes or {})]
        parts += [(event.name, dict(event.attributes or {})) for event in span.events]
    return repr(parts)


def test_content_is_captured_by_default() -> None:
    made = traced()
    every_kind_of_content(made)
    assert everything_told(made).count(SECRET) > 10


def test_without_content_no_text_is_left_but_names_usage_and_metrics_are() -> None:
    from clearml_otel.readability import Measurer

    made = traced(capture_content=False, measure=Measurer("seed"))
    every_kind_of_content(made)
    assert SECRET not in everything_told(made)
    tables = made.tables
    counts = [record["action"] for record in tables.records]
    assert counts.count("on_llm_end") == 2
    assert "on_tool_error" in counts
    (error,) = [record for record in tables.records if record["action"] == "on_tool_error"]
    assert error["error_type"] == "ValueError"
    (action,) = [record for record in tables.records if record["action"] == "on_agent_action"]
    assert action["tool"] == "Search"
    assert "tool_input" not in action
    answers = [record for record in tables.records if record["action"] == "on_llm_end"]
    assert all(isinstance(row["flesch_reading_ease"], float) for row in answers)
    assert all(row["text"] is None for row in answers)


def test_redact_sees_every_text_and_where_it_goes() -> None:
    seen: dict[str, set[str]] = {}

    def redact(text: str, where: str) -> str:
        seen.setdefault(where, set()).add(text)
        return text.replace(SECRET, "[word]")

    made = traced(redact=redact)
    every_kind_of_content(made)
    assert SECRET not in everything_told(made)
    assert "[word]" in everything_told(made)
    # LangChain's own metadata is shown to it too
    found = {where for where in seen if not where.startswith("langchain.metadata.ls_")}
    assert found == {
        names.INPUT_MESSAGES,
        names.OUTPUT_MESSAGES,
        names.CHAIN_INPUT,
        names.CHAIN_OUTPUT,
        names.TOOL_CALL_ARGUMENTS,
        names.TOOL_CALL_RESULT,
        names.RETRIEVAL_QUERY,
        names.RETRIEVAL_DOCUMENTS,
        names.ERROR_MESSAGE,
        names.EVENT_TEXT_VALUE,
        names.EVENT_TOOL_INPUT,
        names.EVENT_LOG,
        names.EVENT_CUSTOM_DATA,
    }
    # texts, not their JSON
    assert seen[names.INPUT_MESSAGES] == {f"the word is {SECRET}"}
    session = [
        dict(zip(made.tables.session.columns, row, strict=True)) for row in made.tables.session.rows
    ]
    assert session[0]["prompts"] == "the word is [word]"
    assert session[0]["output"] == "the word is [word]"


def test_redact_sees_the_fields_of_tools_and_chains_whatever_their_names() -> None:
    """Of messages the form is kept: a person's data may have a `name`, an `id` and a `type` too."""
    made = traced(redact=lambda text, where: text.replace(SECRET, "[word]"))
    data = {"name": SECRET, "id": SECRET, "type": SECRET, "deep": {"role": SECRET}}
    call = {"name": "look", "args": data, "id": "call-1", "type": "tool_call"}
    blocks = [{"type": "json", "name": SECRET}]
    asked = [
        HumanMessage("who?", name=SECRET),
        AIMessage("", tool_calls=[call]),
        ToolMessage(blocks, tool_call_id="call-1"),
        HumanMessage([{"type": "file", "file_id": "f", "filename": f"{SECRET}.pdf"}]),
    ]
    ScriptedChatModel(answer=AIMessage("", tool_calls=[call])).invoke(asked, made.config)
    RunnableLambda(lambda x: dict(x)).invoke(data, made.config)

    @tool
    def look(name: str, role: str) -> dict[str, str]:
        """Looks."""
        return {"type": name, "id": role}

    look.invoke({"name": SECRET, "role": SECRET}, made.config)
    assert SECRET not in everything_told(made)
    messages = json.loads(str(made.of_type("chat_model")[0].attributes[names.INPUT_MESSAGES]))
    (told,) = messages[1]["parts"]
    assert (told["type"], told["name"], told["id"]) == ("tool_call", "look", "call-1")
    assert told["arguments"] == {
        "name": "[word]",
        "id": "[word]",
        "type": "[word]",
        "deep": {"role": "[word]"},
    }


def test_redact_is_shown_no_form_of_messages() -> None:
    seen: set[str] = set()

    def redact(text: str, where: str) -> str:
        seen.add(text)
        return "x"

    made = traced(redact=redact)
    image = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
    ScriptedChatModel(answer=AIMessage("a")).invoke([HumanMessage([image])], made.config)
    (message,) = json.loads(str(made.one().attributes[names.INPUT_MESSAGES]))
    (part,) = message["parts"]
    assert (part["type"], part["modality"], part["mime_type"]) == ("blob", "image", "image/png")
    assert part["hash"].startswith("sha256:")
    assert seen == {"a"}


LOGPROBS = {"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": []}]}


def test_log_probabilities_keep_their_tokens() -> None:
    """OpenAI calls them `token`, as secrets are called elsewhere."""
    made = traced()
    ScriptedChatModel(answer=AIMessage("Hi"), generation_info={"logprobs": LOGPROBS}).invoke(
        "q", made.config
    )
    (row,) = [row for row in made.tables.records if row["action"] == "on_llm_end"]
    assert json.loads(str(row["generation_info_logprobs"])) == LOGPROBS


def test_with_redact_log_probabilities_go_as_no_token_is_a_whole_text() -> None:
    made = traced(redact=lambda text, where: text.replace(SECRET, "[word]"))
    pieces = {"content": [{"token": "sword", "logprob": -1}, {"token": "fish", "logprob": -1}]}
    ScriptedChatModel(answer=AIMessage(SECRET), generation_info={"logprobs": pieces}).invoke(
        "q", made.config
    )
    assert names.LOGPROBS not in made.one().attributes


def test_tags_and_metadata_are_redacted_too() -> None:
    made = traced(redact=lambda text, where: text.replace(SECRET, "[word]"))
    config = {"tags": [f"tag {SECRET}"], "metadata": {"user": SECRET, "age": 7}}
    RunnableLambda(lambda x: x).invoke("q", {**made.config, **config})
    attributes = made.one().attributes
    assert attributes[names.TAGS] == ("tag [word]",)
    assert attributes[f"{names.METADATA_PREFIX}user"] == "[word]"
    assert attributes[f"{names.METADATA_PREFIX}age"] == 7


def test_what_is_redacted_stays_valid_json() -> None:
    made = traced(redact=lambda text, where: 'a "quoted" \\ text\n')
    ScriptedChatModel(answer=AIMessage("x")).invoke([HumanMessage("y")], made.config)
    (message,) = json.loads(str(made.one().attributes[names.INPUT_MESSAGES]))
    assert message == {
        "role": "user",
        "parts": [{"type": "text", "content": 'a "quoted" \\ text\n'}],
    }


def raising(text: str, where: str) -> str:
    raise RuntimeError(f"never in the log: {text}")


@pytest.mark.parametrize("redact", [raising, lambda text, where: None])
def test_a_broken_redact_costs_the_text_only(
    redact: Callable[[str, str], str], caplog: pytest.LogCaptureFixture
) -> None:
    made = traced(redact=redact)
    with caplog.at_level(logging.WARNING, "clearml_otel"):
        every_kind_of_content(made)
    assert SECRET not in everything_told(made)
    assert UNREDACTED in everything_told(made)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "redact" in line
    assert SECRET not in line


def test_long_texts_are_cut_and_named() -> None:
    made = traced(max_content_length=1_000)
    answer = AIMessage("b" * 5_000)
    run_id = uuid4()
    made.handler.on_chat_model_start({}, [[HumanMessage("a" * 3_000)]], run_id=run_id)
    result = LLMResult(generations=[[ChatGeneration(message=answer)]])
    made.handler.on_llm_end(result, run_id=run_id)
    attributes = made.one().attributes
    (asked,) = json.loads(str(attributes[names.INPUT_MESSAGES]))
    assert asked["parts"][0]["content"] == "a" * 1_000 + "… [cut from 3000 characters]"
    assert attributes[names.TRUNCATED] == (names.INPUT_MESSAGES, names.OUTPUT_MESSAGES)


def test_short_texts_are_not_named() -> None:
    made = traced()
    every_kind_of_content(made)
    assert not any(names.TRUNCATED in record.attributes for record in made.records)


def test_no_limit_is_lower_than_what_a_message_needs() -> None:
    assert len(Content(max_length=1).shown("c" * 500, "where")) > SHORTEST_LIMIT


def test_what_was_streamed_before_an_error_is_kept() -> None:
    class Torn(ScriptedChatModel):
        def _stream(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any
        ) -> Any:
            yield ChatGenerationChunk(message=AIMessageChunk("half an "))
            yield ChatGenerationChunk(message=AIMessageChunk("answer"))
            raise ConnectionError("the line is dead")

    made = traced()
    with pytest.raises(ConnectionError):
        list(Torn().stream("q", made.config))
    attributes = made.one().attributes
    assert attributes[names.ERROR_TYPE] == "ConnectionError"
    (said,) = json.loads(str(attributes[names.OUTPUT_MESSAGES]))
    assert said["parts"] == [{"type": "text", "content": "half an answer"}]
