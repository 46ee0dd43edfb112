"""Every LangChain call of the process as spans and as ClearML tables, in five lines.

    pip install "clearml-otel[demo]"
    python quickstart.py

With OPENAI_API_KEY set it asks OpenAI; without, a server on this machine answers.
"""

from __future__ import annotations

import contextlib
import os

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

import clearml_otel
from clearml_otel.demo.openai_server import Reply, loopback_openai

# keep the results on this machine; without this line they go to your ClearML server
os.environ.setdefault("CLEARML_OFFLINE_MODE", "1")


def answer(prompts: list[str]) -> Reply:
    """Stand in for the model where there is no key."""
    return Reply([f"Somebody asked me this: {prompt}" for prompt in prompts])


def main() -> None:
    tracker = clearml_otel.configure(project_name="clearml-otel examples", task_name="quickstart")
    with contextlib.ExitStack() as stack:
        if not os.environ.get("OPENAI_API_KEY"):
            stack.enter_context(loopback_openai(answer))
        prompt = ChatPromptTemplate.from_template("Tell me a {kind} about {topic}.")
        chain = prompt | ChatOpenAI(model="gpt-4o-mini")
        with tracker.session("jokes"):
            for topic in ("fish", "walls"):
                print(chain.invoke({"kind": "joke", "topic": topic}).text)
        with tracker.session("poems"):
            print(chain.invoke({"kind": "poem", "topic": "roses"}).text)
    tracker.flush(finish=True)
    print(f"The tables are in {tracker.location}")


if __name__ == "__main__":
    main()
