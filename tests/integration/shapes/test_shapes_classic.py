"""Chains and agents of LangChain's first years, in `langchain_classic`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_classic.agents import (
    AgentExecutor,
    AgentType,
    create_react_agent,
    create_tool_calling_agent,
    initialize_agent,
)
from langchain_classic.chains import (
    ConversationChain,
    LLMChain,
    RetrievalQA,
    SequentialChain,
    SimpleSequentialChain,
)
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.tools import Tool

from support.scripted_models import ScriptedLLM
from support.shape_parts import Library, TurnsModel, calling, weather
from support.shapes import Raised, Shapes, warnings_ignored

REACT = PromptTemplate.from_template("{tools} {tool_names}\nQuestion: {input}\n{agent_scratchpad}")
LOOK = "I should look.\nAction: weather\nAction Input: Paris"
KNOW = "I know now.\nFinal Answer: It is sunny."


def quietly(program: Callable[[], Any]) -> Callable[[], Any]:
    """These classes say that they are old."""

    def run() -> Any:
        with warnings_ignored():
            return program()

    return run


def asking(template: str, key: str = "text", **fields: Any) -> LLMChain:
    return LLMChain(
        llm=ScriptedLLM(**fields), prompt=PromptTemplate.from_template(template), output_key=key
    )


def test_an_llm_chain(shape: Shapes) -> None:
    seen = shape(quietly(lambda: asking("Tell of {topic}.").invoke({"topic": "bears"})["text"]))
    assert seen.result == "echo Tell of bears."
    assert seen.outline == ["chain LLMChain", "  llm ScriptedLLM"]
    assert seen.actions == [
        "on_chain_start",
        "on_text",
        "on_llm_start",
        "on_llm_end",
        "on_chain_end",
    ]
    assert seen.io("LLMChain") == ("bears", "echo Tell of bears.")
    assert "Tell of bears." in seen.rows("on_text")[0]["text"]
    assert seen.records[-1]["text_ctr"] == 1


def test_an_llm_chain_that_fails(shape: Shapes) -> None:
    broken = asking("{x}", error=ValueError("down"))
    seen = shape(quietly(lambda: broken.invoke({"x": "q"})))
    assert seen.result == Raised("ValueError", "down")
    assert [seen.end(name)["error_message"] for name in ("LLMChain", "ScriptedLLM")] == ["down"] * 2


def test_llm_chain_apply(shape: Shapes) -> None:
    def program() -> list[str]:
        return [each["text"] for each in asking("Say {x}").apply([{"x": "a"}, {"x": "b"}])]

    seen = shape(quietly(program))
    assert seen.result == ["echo Say a", "echo Say b"]
    assert seen.pairs == [("Say a", "echo Say a"), ("Say b", "echo Say b")]


def test_a_conversation(shape: Shapes) -> None:
    def program() -> list[str]:
        talk = ConversationChain(llm=TurnsModel(turns=["Hello.", "Fine."]))
        return [talk.predict(input="hi"), talk.predict(input="how?")]

    seen = shape(quietly(program))
    assert seen.result == ["Hello.", "Fine."]
    assert [seen.io("ConversationChain", nth) for nth in (0, 1)] == [
        ("hi", "Hello."),
        ("how?", "Fine."),
    ]
    assert "AI: Hello." in seen.pairs[1][0]


def test_sequential_chains(shape: Shapes) -> None:
    def program() -> object:
        both = SequentialChain(
            chains=[asking("A {x}", "y"), asking("B {y}", "z")],
            input_variables=["x"],
            output_variables=["z"],
        )
        return both.invoke({"x": "q"})["z"]

    seen = shape(quietly(program))
    assert seen.result == "echo B echo A q"
    assert seen.outline == [
        "chain SequentialChain",
        "  chain LLMChain",
        "    llm ScriptedLLM",
        "  chain LLMChain",
        "    llm ScriptedLLM",
    ]
    assert seen.io("SequentialChain") == ("q", "echo B echo A q")


def test_a_simple_sequential_chain(shape: Shapes) -> None:
    def program() -> object:
        return SimpleSequentialChain(chains=[asking("A {x}"), asking("B {y}")]).invoke("q")[
            "output"
        ]

    seen = shape(quietly(program))
    assert seen.io("SimpleSequentialChain") == ("q", "echo B echo A q")


def test_questions_about_documents(shape: Shapes) -> None:
    def program() -> object:
        model = TurnsModel(turns=["Honey."])
        return RetrievalQA.from_chain_type(llm=model, retriever=Library()).invoke("bears?")[
            "result"
        ]

    seen = shape(quietly(program))
    assert seen.io("RetrievalQA") == ("bears?", "Honey.")
    assert seen.outline == [
        "chain RetrievalQA",
        "  retriever Library",
        "  chain StuffDocumentsChain",
        "    chain LLMChain",
        "      llm TurnsModel",
    ]


def react(**fields: Any) -> AgentExecutor:
    agent = create_react_agent(TurnsModel(turns=[LOOK, KNOW]), [weather], REACT)
    return AgentExecutor(agent=agent, tools=[weather], **fields)


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream"])
def test_a_react_agent(shape: Shapes, how: str) -> None:
    async def ainvoke() -> object:
        with warnings_ignored():
            return (await react().ainvoke({"input": "How is Paris?"}))["output"]

    programs: dict[str, Any] = {
        "invoke": quietly(lambda: react().invoke({"input": "How is Paris?"})["output"]),
        "ainvoke": ainvoke,
        "stream": quietly(lambda: list(react().stream({"input": "How is Paris?"}))[-1]["output"]),
    }
    seen = shape(programs[how])
    assert seen.result == "It is sunny."
    assert seen.io("AgentExecutor") == ("How is Paris?", "It is sunny.")
    (action,) = seen.rows("on_agent_action")
    assert (action["tool"], action["tool_input"], action["log"]) == ("weather", "Paris", LOOK)
    (finish,) = seen.rows("on_agent_finish")
    assert (finish["output"], finish["log"]) == ("It is sunny.", KNOW)
    assert seen.io("weather") == ("Paris", "sunny in Paris")
    assert seen.run("weather")["parent_run_id"] == seen.run("AgentExecutor")["run_id"]
    # the page counts the agent's action as a start of a tool, and the tool's start again
    assert (seen.records[-1]["tool_starts"], seen.records[-1]["tool_ends"]) == (2, 1)
    assert seen.records[-1]["agent_ends"] == 1


def test_an_agent_that_gives_up(shape: Shapes) -> None:
    seen = shape(quietly(lambda: react(max_iterations=1).invoke({"input": "q"})["output"]))
    assert "stopped" in seen.result
    assert seen.io("AgentExecutor")[1] == seen.result
    assert seen.actions[-1] == "on_chain_end"


def test_an_agent_that_calls_tools(shape: Shapes) -> None:
    def program() -> object:
        turns = [calling("weather", city="Paris"), "It is sunny."]
        prompt = ChatPromptTemplate.from_messages(
            [("human", "{input}"), MessagesPlaceholder("agent_scratchpad")]
        )
        agent = create_tool_calling_agent(TurnsModel(turns=turns), [weather], prompt)
        return AgentExecutor(agent=agent, tools=[weather]).invoke({"input": "How is Paris?"})[
            "output"
        ]

    seen = shape(quietly(program))
    assert seen.io("AgentExecutor") == ("How is Paris?", "It is sunny.")
    assert seen.rows("on_agent_action")[0]["tool_input"].replace(" ", "") == '{"city":"Paris"}'
    assert seen.pairs[-1][1] == "It is sunny."


def test_an_agent_of_the_first_year(shape: Shapes) -> None:
    def program() -> object:
        turns = [LOOK, KNOW]
        told = Tool(name="weather", func=lambda city: f"sunny in {city}", description="Tells.")
        agent = initialize_agent(
            [told], TurnsModel(turns=turns), agent=AgentType.ZERO_SHOT_REACT_DESCRIPTION
        )
        return agent.run("How is Paris?")

    seen = shape(quietly(program))
    assert seen.io("AgentExecutor") == ("How is Paris?", "It is sunny.")
    assert seen.records[-1]["agent_ends"] == 1


def test_a_tool_that_breaks_an_agent(shape: Shapes) -> None:
    def fail(city: str) -> str:
        raise RuntimeError(f"no {city}")

    def program() -> object:
        broken = Tool(name="weather", func=fail, description="Breaks.")
        agent = create_react_agent(TurnsModel(turns=[LOOK]), [broken], REACT)
        return AgentExecutor(agent=agent, tools=[broken]).invoke({"input": "q"})

    seen = shape(quietly(program))
    assert seen.result == Raised("RuntimeError", "no Paris")
    assert [seen.end(name)["action"] for name in ("weather", "AgentExecutor")] == [
        "on_tool_error",
        "on_chain_error",
    ]
