from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

from clearml_otel.demo import page
from clearml_otel.demo.openai_server import loopback_openai
from clearml_otel.demo.scenarios import agent_with_tools, calculate, just_an_llm

GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "seed_golden.json").read_text())


class Listener(BaseCallbackHandler):
    raise_error = True

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.texts: list[str] = []
        self.usages: list[dict[str, int]] = []
        self.tools: list[tuple[str, str]] = []
        self.observations: list[str] = []
        self.outputs: list[dict[str, Any]] = []

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], **kwargs: Any) -> None:
        self.prompts += prompts

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.texts.append(response.generations[0][0].text)
        assert response.llm_output is not None
        assert response.llm_output["model_name"] == "text-davinci-003"
        if usage := response.llm_output["token_usage"]:
            self.usages.append(usage)

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, **kwargs: Any) -> None:
        self.tools.append((serialized["name"], serialized["description"]))

    def on_tool_end(self, output: Any, **kwargs: Any) -> None:
        self.observations.append(output)

    def on_chain_end(self, outputs: dict[str, Any], **kwargs: Any) -> None:
        self.outputs.append(outputs)


def fold(text: str) -> str:
    return text.replace("\n\n", "  ")


def test_scenario_1_asks_and_answers_as_the_page() -> None:
    listener = Listener()
    with loopback_openai(page.answer):
        just_an_llm([listener])
    golden = GOLDEN["inputs"]["scenario1"]
    calls = golden["generate_calls"]
    assert listener.prompts == golden["prompts_per_generate"] * calls
    assert list(map(fold, listener.texts)) == golden["texts_per_generate"] * calls
    assert listener.usages == [golden["token_usage_per_generate"]] * calls


def test_scenario_2_asks_and_answers_as_the_page() -> None:
    listener = Listener()
    with loopback_openai(page.answer), warnings.catch_warnings():
        warnings.simplefilter("error")
        agent_with_tools([listener])
    golden = GOLDEN["inputs"]["scenario2"]
    prompts = [
        each["record"]["prompts"]
        for each in GOLDEN["scenario2"]["agent_records"]
        if each["record"]["action"] == "on_llm_start"
    ]
    # the tools' signatures are LangChain's addition
    asked = [re.sub(r"(Search|Calculator)\(\w+\) - ", r"\1: ", p) for p in listener.prompts]
    assert list(map(fold, asked)) == prompts
    assert listener.texts == golden["llm_texts"]
    assert listener.usages == golden["token_usages"]
    assert listener.tools == [tuple(golden["tools"][0].values())] * 2
    assert listener.observations == golden["observations"]
    assert listener.outputs[-1]["output"] == golden["answer"]


def test_other_prompts_are_answered_too() -> None:
    reply = page.answer(["What is the weather?", "Tell me a joke"])
    assert reply.texts[0] == "I only know the answers of the ClearML page."
    assert reply.usage == {"prompt_tokens": 8, "completion_tokens": 29}


@pytest.mark.parametrize(
    ("expression", "value"),
    [("2 * (3 + 4)", "14"), (" -1.5/3", "-0.5"), ("7 - 2", "5")],
)
def test_calculator(expression: str, value: str) -> None:
    assert calculate(expression) == f"Answer: {value}"


@pytest.mark.parametrize(
    "expression", ["1/0", "__import__('os')", "9**9**9", "2 +", "-" * 10_000 + "1", "1" * 5_000]
)
def test_calculator_refuses_what_is_no_sum(expression: str) -> None:
    assert calculate(expression) == "Answer: not a sum that I know"
