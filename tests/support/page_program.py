"""The ClearML page's code, its one import changed; run by tests/e2e/test_page.py.

    python page_program.py GOLDEN.json FORM

The model's answers are the golden file's; FORM ``blank-lines`` gives them the blank lines that
the page folded to two spaces, FORM ``folded`` leaves them as the page prints them.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from langchain_core.callbacks import StdOutCallbackHandler
from langchain_core.tools import Tool
from langchain_openai import OpenAI

try:
    from langchain_classic.agents import AgentType, initialize_agent
except ModuleNotFoundError:  # LangChain 0.3 still had it
    from langchain.agents import AgentType, initialize_agent

from clearml_otel import ClearMLCallbackHandler
from clearml_otel.demo.openai_server import Reply, loopback_openai

# LangChain would rather have no `initialize_agent`
warnings.filterwarnings("ignore", message="Use `langchain.agents.create_agent`")

INPUTS = json.loads(Path(sys.argv[1]).read_text())["inputs"]
FIRST, SECOND = INPUTS["scenario1"], INPUTS["scenario2"]


def said(text: str) -> str:
    return "\n\n" + text[2:] if sys.argv[2] == "blank-lines" and text.startswith("  ") else text


def answer(prompts: list[str]) -> Reply:
    if prompts == FIRST["prompts_per_generate"]:
        texts = [said(text) for text in FIRST["texts_per_generate"]]
        return Reply(texts, FIRST["token_usage_per_generate"], FIRST["model_name"])
    (prompt,) = prompts
    _, _, conversation = prompt.rpartition("Begin!")
    turn = conversation.count("\nObservation: ")
    return Reply([SECOND["llm_texts"][turn]], SECOND["token_usages"][turn], FIRST["model_name"])


observations = iter(SECOND["observations"])

with loopback_openai(answer):
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
    llm = OpenAI(model=FIRST["model_name"], temperature=0, callbacks=callbacks)

    # SCENARIO 1 - LLM
    for _ in range(FIRST["generate_calls"]):
        llm_result = llm.generate(["Tell me a joke", "Tell me a poem"] * 3)
    # After every generation run, use flush to make sure all the metrics
    # prompts and other output are properly saved separately
    clearml_callback.flush_tracker(langchain_asset=llm, name="simple_sequential")

    # SCENARIO 2 - Agent with Tools
    tools = [
        Tool(
            name=tool["name"],
            description=tool["description"],
            func=lambda query: next(observations),
            callbacks=callbacks,
        )
        for tool in SECOND["tools"]
    ]
    agent = initialize_agent(
        tools,
        llm,
        agent=AgentType.ZERO_SHOT_REACT_DESCRIPTION,
        callbacks=callbacks,
    )
    agent.invoke({"input": "Who is the wife of the person who sang summer of 69?"})
    clearml_callback.flush_tracker(langchain_asset=agent, name="Agent with Tools", finish=True)
