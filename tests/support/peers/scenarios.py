"""Ten small LangChain programs against the loopback OpenAI server, as other people write them.

Nothing here knows of any instrumentation: a scenario gets the ``config`` that its caller wants on
each run (callbacks, metadata) and does its work.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

from langchain.agents import create_agent
from langchain_classic.agents import AgentExecutor, create_react_agent
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from clearml_otel.demo.openai_server import Reply, ToolCall, WireError

Config = dict[str, Any]

COMPLETION_MODEL: Final = "gpt-3.5-turbo-instruct"
CHAT_MODEL: Final = "gpt-4o-mini"
SESSION: Final = "customer 42"
_REACT: Final = PromptTemplate.from_template(
    "Answer with these tools: {tools} ({tool_names})\nQuestion: {input}\n{agent_scratchpad}"
)
_ANSWERS: Final[Mapping[str, Reply]] = {
    "parcel": Reply(["Your parcel left the harbour this morning and arrives on Friday."]),
    "poem": Reply(["The tide goes out, the tide comes in, and nobody knows where it has been."]),
    "joke": Reply(["Why did the chicken cross the road? To read the sign on the other side."]),
    "colour": Reply(["Blue, because the sea is blue on most days of the year."]),
}


@tool
def weather(city: str, days: int = 1) -> str:
    """Tell the weather of a city."""
    return f"{city}: sun and wind for {days} days"


@tool
def population(city: str) -> dict[str, Any]:
    """Tell how many people live in a city."""
    return {"city": city, "people": 544_000}


@tool
def broken(city: str) -> str:
    """Tell the tides of a city."""
    raise LookupError(f"no tides known for {city}")


class Library(BaseRetriever):
    """Two books, whatever is asked."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [
            Document("Parcels are sorted at night.", metadata={"source": "manual.pdf", "page": 3}),
            Document("Ships arrive on Fridays.", metadata={"source": "harbour.txt"}),
        ]


def script(prompts: list[str]) -> Reply:
    """What the model says: to a tool's user first a call, then the answer; else by keyword."""
    if len(prompts) > 1:
        return Reply([script([prompt]).texts[0] for prompt in prompts])
    (prompt,) = prompts
    if "refuse this" in prompt:
        raise WireError("this question is not answered", status=400, code="refused")
    if "Answer with these tools" in prompt:
        return Reply([_reasoned(prompt)])
    if "weather and people of Oslo" in prompt and "tool: " not in prompt:
        calls = [
            ToolCall("weather", json.dumps({"city": "Oslo", "days": 3})),
            ToolCall("population", json.dumps({"city": "Oslo"})),
        ]
        return Reply([""], tool_calls=calls)
    if "tides of Bergen" in prompt:
        return Reply([""], tool_calls=[ToolCall("broken", json.dumps({"city": "Bergen"}))])
    for word, reply in _ANSWERS.items():
        if word in prompt:
            return reply
    return Reply(["Oslo has sun and wind, and half a million people live there to enjoy it."])


def _reasoned(prompt: str) -> str:
    if "Observation" not in prompt:
        return "I should look at the weather.\nAction: weather\nAction Input: Oslo"
    return "I know it now.\nFinal Answer: Oslo has sun and wind for one day."


def completion_batch(config: Config) -> None:
    """One ``generate`` call with three prompts."""
    OpenAI(model=COMPLETION_MODEL).generate(
        ["Tell me a joke", "Tell me a poem", "Name a colour"], **_as_keywords(config)
    )


def chat(config: Config) -> None:
    """One chat call with a system message, in a session."""
    session = {"session_id": SESSION, "langfuse_session_id": SESSION}
    asked = [("system", "You are brief."), ("human", "Where is my parcel?")]
    _model().invoke(asked, {**config, "metadata": session, "tags": ["support"]})


def lcel_chain(config: Config) -> None:
    """Prompt, model and parser."""
    prompt = ChatPromptTemplate.from_messages([("human", "Write a {what}")])
    (prompt | _model() | StrOutputParser()).invoke({"what": "poem"}, config)


def react_agent(config: Config) -> None:
    """A ReAct agent on a completion model, with one tool."""

    @tool("weather")
    def weather_of(city: str) -> str:
        """Tell the weather of a city."""
        return f"{city.strip()}: sun and wind"

    agent = create_react_agent(OpenAI(model=COMPLETION_MODEL), [weather_of], _REACT)
    AgentExecutor(agent=agent, tools=[weather_of]).invoke({"input": "Weather of Oslo?"}, config)


def agent_with_tools(config: Config) -> None:
    """``create_agent`` calling two tools at once."""
    agent = create_agent(_model(), [weather, population], name="guide")
    question = {"messages": [("human", "Tell me the weather and people of Oslo")]}
    agent.invoke(question, config)


def streaming(config: Config) -> None:
    """A chat answer read token by token."""
    for _ in ChatOpenAI(model=CHAT_MODEL, stream_usage=True).stream("Tell me a joke", config):
        pass


def batch_with_error(config: Config) -> None:
    """Three chains in parallel, one of them refused by the provider."""
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    questions = ["Tell me a joke", "Please refuse this", "Tell me a poem"]
    (prompt | _model()).batch(
        [{"question": question} for question in questions], config, return_exceptions=True
    )


def rag(config: Config) -> None:
    """A retriever, then a chain that reads its documents."""
    prompt = ChatPromptTemplate.from_messages([("human", "{context}\nWhere is my {question}?")])
    found = Library() | (lambda documents: "\n".join(item.page_content for item in documents))
    inputs = {"context": found, "question": RunnablePassthrough()}
    (inputs | prompt | _model() | StrOutputParser()).invoke("parcel", config)


class _State(TypedDict, total=False):
    question: str
    answer: str


def langgraph(config: Config) -> None:
    """A graph of two nodes, one of which asks the model; its thread is the session."""

    def ask(state: _State) -> _State:
        return {"answer": str(_model().invoke(state["question"]).content)}

    graph = StateGraph(_State)
    graph.add_node("ask", ask)
    graph.add_node("shout", lambda state: {"answer": state["answer"].upper()})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "shout")
    graph.add_edge("shout", END)
    threaded = {**config, "configurable": {"thread_id": SESSION}}
    graph.compile().invoke({"question": "Tell me a joke"}, threaded)


def tool_error(config: Config) -> None:
    """A chain whose tool fails after the model called it."""

    def call(message: Any) -> Any:
        return broken.invoke(message.tool_calls[0])

    chain = _model().bind_tools([broken]) | RunnableLambda(call)
    try:
        chain.invoke("Tell me the tides of Bergen", config)
    except LookupError:
        return
    raise AssertionError("the tool did not fail")


SCENARIOS: Final[Mapping[str, Callable[[Config], None]]] = {
    "completion batch": completion_batch,
    "chat": chat,
    "LCEL chain": lcel_chain,
    "ReAct agent": react_agent,
    "create_agent with tools": agent_with_tools,
    "streaming": streaming,
    "parallel batch, one error": batch_with_error,
    "RAG": rag,
    "LangGraph": langgraph,
    "tool error": tool_error,
}


def _model() -> ChatOpenAI:
    # one try: a refused question must not be asked again
    return ChatOpenAI(model=CHAT_MODEL, max_retries=0)


def _as_keywords(config: Config) -> dict[str, Any]:
    """``generate`` takes callbacks and metadata beside the prompts, not in a config."""
    return {key: config[key] for key in ("callbacks", "metadata", "tags") if key in config}


def run(name: str, config: Config) -> None:
    """Do one scenario."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SCENARIOS[name](config)
