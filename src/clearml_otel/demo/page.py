"""What LangChain's ClearML page asked its model and tools, and what it was answered.

Source: LangChain's documentation, "ClearML" (March 2023), whose model was ``text-davinci-003``.
The page folded blank lines to two spaces; here the texts have them.
"""

from __future__ import annotations

from clearml_otel.demo.openai_wire import Reply

MODEL = "text-davinci-003"

PROMPTS = ("Tell me a joke", "Tell me a poem") * 3
QUESTION = "Who is the wife of the person who sang summer of 69?"

SEARCH_DESCRIPTION = (
    "A search engine. Useful for when you need to answer questions about current events. "
    "Input should be a search query."
)
CALCULATOR_DESCRIPTION = "Useful for when you need to answer questions about math."

SEARCH_RESULTS = {
    "Who sang summer of 69": "Bryan Adams - Summer Of 69 (Official Music Video).",
    "Who is Bryan Adams married to": (
        "Bryan Adams has never married. In the 1990s, he was in a relationship with Danish model "
        "Cecilie Thomsen. In 2011, Bryan and Alicia Grimaldi, his ..."
    ),
}

# prompt -> text, prompt tokens, completion tokens
_ANSWERS = {
    "Tell me a joke": (
        "\n\nQ: What did the fish say when it hit the wall?\nA: Dam!",
        4,
        20,
    ),
    "Tell me a poem": (
        "\n\nRoses are red,\nViolets are blue,\nSugar is sweet,\nAnd so are you.",
        4,
        26,
    ),
}

# the agent's turns, by the number of observations it has made
_TURNS = (
    (
        (
            " I need to find out who sang summer of 69 and then find out who their wife is.\n"
            'Action: Search\nAction Input: "Who sang summer of 69"'
        ),
        189,
        34,
    ),
    (
        (
            " I need to find out who Bryan Adams is married to.\n"
            'Action: Search\nAction Input: "Who is Bryan Adams married to"'
        ),
        242,
        28,
    ),
    (
        " I now know the final answer.\nFinal Answer: Bryan Adams has never been married.",
        314,
        18,
    ),
)


def answer(prompts: list[str]) -> Reply:
    """Say what the page's model said; the script of the demo's server.

    Args:
        prompts: the prompts of one request.
    """
    said = [_say(prompt) for prompt in prompts]
    usage = {
        "prompt_tokens": sum(prompt_tokens for _, prompt_tokens, _ in said),
        "completion_tokens": sum(completion_tokens for _, _, completion_tokens in said),
    }
    return Reply([text for text, _, _ in said], usage, MODEL)


def _say(prompt: str) -> tuple[str, int, int]:
    if prompt in _ANSWERS:
        return _ANSWERS[prompt]
    _, found, conversation = prompt.partition(f"Question: {QUESTION}")
    if found:
        observations = conversation.count("\nObservation: ")
        return _TURNS[min(observations, len(_TURNS) - 1)]
    words = len(prompt.split())
    return "I only know the answers of the ClearML page.", words, 9


def search(query: str) -> str:
    """Answer as the page's search engine did."""
    return SEARCH_RESULTS.get(query.strip().strip('"'), "No good search result found")
