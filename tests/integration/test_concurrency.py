"""Many runs at once: rows are paired by run, steps are unique, and every time alike."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.llms import LLM

from clearml_otel import ClearMLCallbackHandler
from support.offline import OfflineClearML


class Echo(LLM):
    """Answers with its prompt, in sync and async."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        return f"echo of {prompt}"

    async def _acall(self, prompt: str, *args: Any, **kwargs: Any) -> str:
        await asyncio.sleep(0)
        return f"echo of {prompt}"


@pytest.mark.parametrize("attempt", range(5))
def test_threads_and_tasks(attempt: int, offline: OfflineClearML) -> None:
    handler = ClearMLCallbackHandler(task_name="concurrency")
    echo = Echo(callbacks=[handler])

    async def gathered() -> None:
        await asyncio.gather(*(echo.ainvoke(f"async {number}") for number in range(100)))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(echo.invoke, [f"sync {number}" for number in range(200)]))
    asyncio.run(gathered())
    handler.flush_tracker("echoes", finish=True)

    assert answers == [f"echo of sync {number}" for number in range(200)]
    session = offline.session()
    actions = session.table("Action Records", "echoes").dicts()
    assert len(actions) == 600
    assert [row["step"] for row in actions] == list(range(1, 601))
    pairs = {
        (row["prompts"], row["output"])
        for row in session.table("Session Analysis", "echoes").dicts()
    }
    prompts = [*(f"sync {n}" for n in range(200)), *(f"async {n}" for n in range(100))]
    assert pairs == {(prompt, f"echo of {prompt}") for prompt in prompts}
    assert actions[-1]["starts"] == actions[-1]["ends"] == 300
    assert len(handler.spans) == 0


def test_two_handlers_in_threads_and_by_turns(offline: OfflineClearML) -> None:
    first = ClearMLCallbackHandler(task_name="first task", project_name="first project")
    second = ClearMLCallbackHandler(task_name="second task", project_name="second project")
    one, two = Echo(callbacks=[first]), Echo(callbacks=[second])

    def both(number: int) -> None:
        one.invoke(f"one {number}")
        two.generate([f"two {number} a", f"two {number} b"])

    for number in range(5):
        both(number)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(both, range(5, 60)))
    first.flush_tracker("mine", finish=True)
    second.flush_tracker("mine", finish=True)

    sessions = offline.sessions()
    prompts = {
        name: [row["prompts"] for row in session.table("Session Analysis", "mine").dicts()]
        for name, session in sessions.items()
    }
    assert sorted(prompts["first task"]) == sorted(f"one {n}" for n in range(60))
    wanted = [f"two {n} {letter}" for n in range(60) for letter in "ab"]
    assert sorted(prompts["second task"]) == sorted(wanted)
    projects = {name: session.task["project_name"] for name, session in sessions.items()}
    assert projects == {"first task": "first project", "second task": "second project"}
    steps = [row["step"] for row in sessions["second task"].table("Action Records", "mine").dicts()]
    # the two prompts of a call share its step, also where another thread's came in between
    assert steps == [step for step in range(1, 121) for _ in "ab"]
