"""LangChain's ClearML page, with one import changed.

    pip install "clearml-otel[demo]"
    python migrate_from_callback_handler.py

The handler takes what `langchain_community.callbacks.ClearMLCallbackHandler` took and writes the
same tables.  With OPENAI_API_KEY set it asks OpenAI, whose answers may differ; without, a server
on this machine gives the page's.
"""

from __future__ import annotations

import os
import warnings

from langchain_classic.agents import AgentType, initialize_agent
from langchain_core.callbacks import StdOutCallbackHandler
from langchain_core.tools import Tool
from langchain_openai import OpenAI

# was: from langchain_community.callbacks import ClearMLCallbackHandler
from clearml_otel import ClearMLCallbackHandler
from clearml_otel.demo import page
from clearml_otel.demo.openai_server import loopback_openai

# the page's `initialize_agent` still works, with a warning
warnings.filterwarnings("ignore", message="Use `langchain.agents.create_agent`")

# keep the results on this machine; without this line they go to your ClearML server
os.environ.setdefault("CLEARML_OFFLINE_MODE", "1")


def main(model: str) -> None:
    # Setup and use the ClearML Callback
    clearml_callback = ClearMLCallbackHandler(
        task_type="inference",
        project_name="langchain_callback_demo",
        task_name="llm",
        tags=["test"],
        # Change the following parameters based on the amount of detail you want tracked
        visualize=False,
        complexity_metrics=True,
        stream_logs=True,
    )
    callbacks = [StdOutCallbackHandler(), clearml_callback]
    # Get the OpenAI model ready to go
    llm = OpenAI(model=model, temperature=0, callbacks=callbacks)

    # SCENARIO 1 - LLM
    llm.generate(["Tell me a joke", "Tell me a poem"] * 3)
    # After every generation run, use flush to make sure all the metrics
    # prompts and other output are properly saved separately
    clearml_callback.flush_tracker(langchain_asset=llm, name="simple_sequential")

    # SCENARIO 2 - Agent with Tools
    # LangChain's `load_tools` is gone: these stand in for serpapi and llm-math
    tools = [
        Tool(
            name="Search",
            func=page.search,
            description=page.SEARCH_DESCRIPTION,
            callbacks=callbacks,
        ),
        Tool(
            name="Calculator",
            func=lambda sum_: "42",
            description=page.CALCULATOR_DESCRIPTION,
            callbacks=callbacks,
        ),
    ]
    agent = initialize_agent(
        tools,
        llm,
        agent=AgentType.ZERO_SHOT_REACT_DESCRIPTION,
        callbacks=callbacks,
    )
    agent.invoke({"input": "Who is the wife of the person who sang summer of 69?"})
    clearml_callback.flush_tracker(langchain_asset=agent, name="Agent with Tools", finish=True)
    print(f"The tables are in {clearml_callback.tracker.location}")


if __name__ == "__main__":
    if os.environ.get("OPENAI_API_KEY"):
        # the page's text-davinci-003 is retired
        main(model="gpt-3.5-turbo-instruct")
    else:
        with loopback_openai(page.answer):
            main(model=page.MODEL)
