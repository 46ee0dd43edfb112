"""Tools: arguments in, any kind of output or failure out."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from langchain_core.callbacks import CallbackManagerForToolRun
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import (
    BaseTool,
    InjectedToolArg,
    InjectedToolCallId,
    StructuredTool,
    Tool,
    ToolException,
    create_retriever_tool,
    render_text_description,
    tool,
)
from langgraph.types import Command
from pydantic import BaseModel, Field

from clearml_otel import attributes as names
from support.shape_parts import Library, tide, weather
from support.shapes import Raised, Shapes, warnings_ignored


def call(name: str, /, **arguments: Any) -> dict[str, Any]:
    """A model's request for a tool."""
    return {"name": name, "args": arguments, "id": "call_1", "type": "tool_call"}


def test_one_argument(shape: Shapes) -> None:
    seen = shape(lambda: weather.invoke("Rome"))
    assert seen.result == "sunny in Rome"
    assert seen.outline == ["tool weather"]
    assert seen.io("weather") == ("Rome", "sunny in Rome")
    assert seen.start("weather")["description"] == "Tells the weather of a city."


def test_an_async_tool(shape: Shapes) -> None:
    async def program() -> object:
        return await tide.ainvoke({"port": "Brest"})

    seen = shape(program)
    assert seen.result == "high in Brest"
    assert seen.io("tide") == ("Brest", "high in Brest")


def test_a_sync_tool_called_from_async_code(shape: Shapes) -> None:
    async def program() -> object:
        return await weather.ainvoke({"city": "Rome"})

    seen = shape(program)
    assert seen.io("weather") == ("Rome", "sunny in Rome")


class Sum(BaseModel):
    a: int = Field(description="one")
    b: int = Field(default=2, description="other")


@tool(args_schema=Sum)
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def test_several_arguments(shape: Shapes) -> None:
    seen = shape(lambda: add.invoke({"a": 1, "b": 5}))
    assert seen.result == 6
    given, gave = seen.io("add")
    assert json.loads(given) == {"a": 1, "b": 5}
    assert gave == "6"


def test_a_models_request(shape: Shapes) -> None:
    seen = shape(lambda: add.invoke(call("add", a=1)))
    assert isinstance(seen.result, ToolMessage)
    assert seen.io("add")[1] == "3"
    found = seen.span("add").attributes
    assert found[names.TOOL_CALL_ID] == "call_1"
    assert json.loads(str(found[names.TOOL_CALL_ARGUMENTS])) == {"a": 1}


def test_an_old_style_tool(shape: Shapes) -> None:
    seen = shape(lambda: Tool(name="up", func=str.upper, description="Shouts.").invoke("hey"))
    assert seen.io("up") == ("hey", "HEY")


def test_a_tool_class_with_a_callback_manager(shape: Shapes) -> None:
    class Speaking(BaseTool):
        name: str = "speaking"
        description: str = "Says what it does."

        def _run(self, x: str, run_manager: CallbackManagerForToolRun | None = None) -> str:
            assert run_manager is not None
            run_manager.on_text(f"looking at {x}")
            return x[::-1]

    seen = shape(lambda: Speaking().invoke("abc"))
    assert seen.result == "cba"
    assert seen.actions == ["on_tool_start", "on_text", "on_tool_end"]
    assert seen.rows("on_text")[0]["text"] == "looking at abc"


def test_content_and_artifact(shape: Shapes) -> None:
    @tool(response_format="content_and_artifact")
    def chart(name: str) -> tuple[str, dict[str, Any]]:
        """Draws."""
        return f"a chart of {name}", {"points": list(range(1_000))}

    seen = shape(lambda: chart.invoke(call("chart", name="rain")))
    assert seen.result.artifact["points"][-1] == 999
    assert seen.io("chart") == ("rain", "a chart of rain")


def test_an_error_that_is_handled(shape: Shapes) -> None:
    def fail(x: str) -> str:
        """Fails."""
        raise ToolException(f"no {x}")

    seen = shape(lambda: StructuredTool.from_function(fail, handle_tool_error=True).invoke("x"))
    assert seen.result == "no x"
    assert seen.actions == ["on_tool_start", "on_tool_end"]
    assert seen.io("fail") == ("x", "no x")


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_an_error_that_is_not(shape: Shapes, how: str) -> None:
    @tool
    def broken(x: str) -> str:
        """Breaks."""
        raise RuntimeError(f"{x} broke")

    async def ainvoke() -> object:
        return await broken.ainvoke("it")

    seen = shape(ainvoke if how == "ainvoke" else lambda: broken.invoke("it"))
    assert seen.result == Raised("RuntimeError", "it broke")
    end = seen.end("broken")
    assert (end["action"], end["error_type"], end["error_message"]) == (
        "on_tool_error",
        "RuntimeError",
        "it broke",
    )


def test_arguments_that_do_not_fit(shape: Shapes) -> None:
    seen = shape(lambda: add.invoke({"a": "not a number"}))
    assert seen.result.kind == "ValidationError"
    assert seen.actions == ["on_tool_start", "on_tool_error"]
    assert "not a number" in seen.start("add")["input_str"]


def test_a_command(shape: Shapes) -> None:
    @tool
    def go(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Goes on."""
        message = ToolMessage("going", tool_call_id=tool_call_id)
        return Command(goto="next", update={"messages": [message]})

    seen = shape(lambda: go.invoke(call("go")).goto)
    assert seen.result == "next"
    assert "going" in seen.io("go")[1]


OUTPUTS: dict[str, tuple[Any, str]] = {
    "dictionary": ({"t": 20, "sky": ["clear"]}, '{"t":20,"sky":["clear"]}'),
    "list": (["a", "b"], '["a","b"]'),
    "nothing": (None, "null"),
    "documents": ([Document("text")], "text"),
    "empty": ("", ""),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_any_output(shape: Shapes, kind: str) -> None:
    value, shown = OUTPUTS[kind]

    @tool
    def made(x: str) -> Any:
        """Makes it."""
        return value

    seen = shape(lambda: made.invoke("x"))
    gave = seen.io("made")[1]
    assert gave in {shown, None} if kind == "nothing" else shown in gave


@pytest.mark.parametrize("kind", OUTPUTS)
def test_any_output_for_a_model(shape: Shapes, kind: str) -> None:
    value, _ = OUTPUTS[kind]

    @tool
    def made(x: str) -> Any:
        """Makes it."""
        return value

    seen = shape(lambda: made.invoke(call("made", x="x")).content)
    gave = seen.io("made")[1]
    # the text that the model gets, not the repr of a message
    assert "tool_call_id" not in gave
    assert (gave if isinstance(seen.result, str) else json.loads(gave)) == seen.result


def test_content_blocks(shape: Shapes) -> None:
    @tool
    def made(x: str) -> Any:
        """Makes it."""
        return [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]

    assert shape(lambda: made.invoke(call("made", x="x")).type).io("made")[1] == "one two"


def test_injected_arguments(shape: Shapes) -> None:
    @tool
    def greet(name: str, user: Annotated[str, InjectedToolArg], config: RunnableConfig) -> str:
        """Greets."""
        assert config["tags"] == ["t"]
        return f"{name} from {user}"

    seen = shape(lambda: greet.invoke({"name": "Ann", "user": "Bob"}, {"tags": ["t"]}))
    assert seen.result == "Ann from Bob"
    assert "Ann" in seen.start("greet")["input_str"]


def test_a_chain_in_a_tool(shape: Shapes) -> None:
    @tool
    def ask(question: str) -> str:
        """Asks."""
        return (FakeListChatModel(responses=["fine"]) | StrOutputParser()).invoke(question)

    seen = shape(lambda: ask.invoke("how?"))
    assert seen.outline == [
        "tool ask",
        "  chain RunnableSequence",
        "    llm FakeListChatModel",
        "    chain StrOutputParser",
    ]
    assert seen.pairs == [("Human: how?", "fine")]


def test_an_async_chain_in_an_async_tool(shape: Shapes) -> None:
    async def program() -> object:
        @tool
        async def ask(question: str) -> str:
            """Asks."""
            chain = FakeListChatModel(responses=["fine"]) | StrOutputParser()
            return await chain.ainvoke(question)

        return await ask.ainvoke("how?")

    seen = shape(program)
    assert seen.outline[:2] == ["tool ask", "  chain RunnableSequence"]
    assert len({span.trace_id for span in seen.spans}) == 1


def test_a_tool_in_a_tool(shape: Shapes) -> None:
    @tool
    def outer(city: str) -> str:
        """Asks another."""
        return weather.invoke(city) + "!"

    seen = shape(lambda: outer.invoke("Rome"))
    assert seen.outline == ["tool outer", "  tool weather"]
    assert seen.records[-1]["tool_ends"] == 2


def test_a_retriever_as_a_tool(shape: Shapes) -> None:
    seen = shape(lambda: create_retriever_tool(Library(), "books", "Finds books.").invoke("bears"))
    assert seen.result == "about bears"
    assert seen.outline == ["tool books", "  retriever Library"]
    assert seen.io("books") == ("bears", "about bears")


def test_a_chain_as_a_tool(shape: Shapes) -> None:
    def program() -> object:
        chain = weather | StrOutputParser()
        with warnings_ignored():
            as_tool = chain.as_tool(name="forecast", description="Tells.", arg_types={"city": str})
        assert "Tells." in render_text_description([as_tool])
        return as_tool.invoke({"city": "Rome"})

    seen = shape(program)
    assert seen.result == "sunny in Rome"
    assert seen.outline[:2] == ["tool forecast", "  chain RunnableSequence"]
