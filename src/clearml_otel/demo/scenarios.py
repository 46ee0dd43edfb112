"""The page's two scenarios, on today's LangChain, as functions of the callbacks.

As on the page, the callbacks are given to constructors only.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Sequence

from langchain_classic.agents import (
    AgentExecutor,
    AgentType,
    initialize_agent,  # pyright: ignore[reportUnknownVariableType] - LangChain leaves a dict open
)
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tools import BaseTool, Tool
from langchain_openai import OpenAI

from clearml_otel.demo import page


def just_an_llm(callbacks: Sequence[BaseCallbackHandler]) -> OpenAI:
    """Scenario 1: ask one model for three jokes and three poems, twice.

    Returns:
        The model, to be saved with the results.
    """
    llm = _model(callbacks)
    for _ in range(2):
        llm.generate(list(page.PROMPTS))
    return llm


def agent_with_tools(callbacks: Sequence[BaseCallbackHandler]) -> AgentExecutor:
    """Scenario 2: a ReAct agent with a search engine and a calculator answers a question.

    Returns:
        The agent, to be saved with the results.
    """
    with warnings.catch_warnings():
        # the page's way to make an agent is deprecated, and says so in a paragraph
        warnings.filterwarnings("ignore", message=r"Use `langchain\.agents\.create_agent`")
        agent = initialize_agent(
            _tools(callbacks),
            _model(callbacks),
            agent=AgentType.ZERO_SHOT_REACT_DESCRIPTION,
            callbacks=list(callbacks),
        )
    agent.invoke({"input": page.QUESTION})
    return agent


def _model(callbacks: Sequence[BaseCallbackHandler]) -> OpenAI:
    return OpenAI(model=page.MODEL, temperature=0, callbacks=list(callbacks))


def _tools(callbacks: Sequence[BaseCallbackHandler]) -> list[BaseTool]:
    return [
        Tool(
            name="Search",
            func=_unannotated(page.search),
            description=page.SEARCH_DESCRIPTION,
            callbacks=list(callbacks),
        ),
        Tool(
            name="Calculator",
            func=_unannotated(calculate),
            description=page.CALCULATOR_DESCRIPTION,
            callbacks=list(callbacks),
        ),
    ]


def _unannotated(function: Callable[[str], str]) -> Callable[[str], str]:
    """Hide a signature: LangChain writes it into the prompt, and the page's prompt had none."""
    return lambda query: function(query)


_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
}


def calculate(expression: str) -> str:
    """Work out sums such as ``2 * (3 + 4)``, without running code."""
    try:
        return f"Answer: {_value(ast.parse(expression.strip(), mode='eval').body):g}"
    except (ValueError, SyntaxError, ArithmeticError, RecursionError, MemoryError):
        return "Answer: not a sum that I know"


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError(f"not arithmetic: {type(node).__name__}")
