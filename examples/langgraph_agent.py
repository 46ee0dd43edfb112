"""An agent on LangGraph with a tool and a memory: each thread of it is a session in ClearML.

    pip install "clearml-otel[demo]"
    python langgraph_agent.py

LangGraph's `thread_id` names the session: the tables of two people who talk to one agent stand
side by side.  With OPENAI_API_KEY set it asks OpenAI; without, a server on this machine answers.
"""

from __future__ import annotations

import contextlib
import json
import os

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

import clearml_otel
from clearml_otel.demo.openai_server import Reply, ToolCall, loopback_openai

# keep the results on this machine; without this line they go to your ClearML server
os.environ.setdefault("CLEARML_OFFLINE_MODE", "1")

PARCELS = {"42": "is at the depot", "43": "was delivered yesterday"}


@tool
def find_parcel(number: str) -> str:
    """Say where a parcel is."""
    return f"Parcel {number} {PARCELS.get(number, 'is unknown')}."


def answer(prompts: list[str]) -> Reply:
    """Stand in for the model: look the parcel up, then say where it is."""
    role, _, text = prompts[0].rpartition("\n")[2].partition(": ")
    if role == "tool":
        return Reply([f"I looked it up for you. {text}"])
    number = "".join(filter(str.isdigit, text))
    if not number:
        return Reply(["You are welcome. Have a nice day!"])
    call = ToolCall("find_parcel", json.dumps({"number": number}))
    return Reply([""], tool_calls=[call])


def main() -> None:
    tracker = clearml_otel.configure(
        project_name="clearml-otel examples", task_name="LangGraph agent"
    )
    with contextlib.ExitStack() as stack:
        if not os.environ.get("OPENAI_API_KEY"):
            stack.enter_context(loopback_openai(answer))
        agent = create_agent(
            ChatOpenAI(model="gpt-4o-mini"),
            [find_parcel],
            checkpointer=InMemorySaver(),
            name="post office",
        )
        for person, text in (
            ("ann", "Where is parcel 42?"),
            ("bob", "Where is parcel 43?"),
            ("ann", "Thank you"),
        ):
            thread = {"configurable": {"thread_id": person}}
            state = agent.invoke({"messages": [("user", text)]}, thread)
            print(f"{person}: {state['messages'][-1].text}")
    tracker.flush(langchain_asset=agent, finish=True)
    print(f"The tables are in {tracker.location}")


if __name__ == "__main__":
    main()
