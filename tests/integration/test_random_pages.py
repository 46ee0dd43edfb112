"""The page's rules on other inputs: any number of prompts, calls, texts and usages."""

from __future__ import annotations

import random
from typing import Any

import pytest
from langchain_openai import OpenAI

from clearml_otel import ClearMLCallbackHandler
from clearml_otel.demo.openai_server import Reply, loopback_openai
from clearml_otel.readability import METRICS
from support.offline import OfflineClearML
from support.old_textstat import OldTextstat

WORDS = str.split(
    "the a cat sat on mat quickly extraordinary mathematics however, running don't it's 42 "
    "Mr. Ünïcödé naïve café 你好 emoji👍 (brackets) semi;colon JSON {} incomprehensibility river"
)


def some_text(rng: random.Random) -> str:
    sentences = [
        " ".join(rng.choices(WORDS, k=rng.randint(1, 25))) + rng.choice([".", "!", "?", "", "\n"])
        for _ in range(rng.randint(1, 5))
    ]
    return rng.choice(["", "\n\n", "  "]) + " ".join(sentences)


@pytest.mark.parametrize("seed", range(6))
def test_any_page(seed: int, offline: OfflineClearML, old_textstat: OldTextstat) -> None:
    rng = random.Random(seed)
    prompts_each, calls = rng.randint(1, 9), rng.randint(1, 4)
    scripts: list[tuple[list[str], list[str], dict[str, int]]] = []
    for _ in range(calls):
        prompts = [some_text(rng) for _ in range(prompts_each)]
        texts = [some_text(rng) for _ in range(prompts_each)]
        counts = [rng.randint(0, 5_000) for _ in range(3)]
        names = ("prompt_tokens", "completion_tokens", "total_tokens")
        scripts.append((prompts, texts, dict(zip(names, counts, strict=True))))
    turns = iter(scripts)

    def answer(prompts: list[str]) -> Reply:
        expected, texts, usage = next(turns)
        assert prompts == expected
        return Reply(texts, usage, "some-model")

    with loopback_openai(answer):
        handler = ClearMLCallbackHandler(task_name="random", complexity_metrics=True)
        llm = OpenAI(model="some-model", callbacks=[handler])
        for prompts, _, _ in scripts:
            llm.generate(prompts)
        handler.flush_tracker(name="pages", finish=True)

    session = offline.session()
    rows = session.table("Action Records", "pages").dicts()
    assert len(rows) == 2 * prompts_each * calls
    metrics = old_textstat.measure([text for _, texts, _ in scripts for text in texts])
    for call, (prompts, texts, usage) in enumerate(scripts, 1):
        block = rows[2 * prompts_each * (call - 1) : 2 * prompts_each * call]
        starts, ends = block[:prompts_each], block[prompts_each:]
        for row, prompt in zip(starts, prompts, strict=True):
            assert counters(row) == ("on_llm_start", 2 * call - 1, call, call - 1)
            assert row["prompts"] == prompt
        for index, (row, text) in enumerate(zip(ends, texts, strict=True)):
            assert counters(row) == ("on_llm_end", 2 * call, call, call)
            assert row["text"] == text
            assert {name: row[f"token_usage_{name}"] for name in usage} == usage
            known = metrics[prompts_each * (call - 1) + index]
            if text.strip():
                assert {name: row[name] for name in METRICS} == {n: known[n] for n in METRICS}
    assert_session_rows(session.table("Session Analysis", "pages").dicts(), scripts)


def counters(row: dict[str, Any]) -> tuple[str, int, int, int]:
    return row["action"], row["step"], row["starts"], row["ends"]


def assert_session_rows(rows: list[dict[str, Any]], scripts: list[Any]) -> None:
    wanted = [
        (2 * call - 1, prompt, 2 * call, text, usage["total_tokens"])
        for call, (prompts, texts, usage) in enumerate(scripts, 1)
        for prompt, text in zip(prompts, texts, strict=True)
    ]
    keys = ("prompt_step", "prompts", "output_step", "output", "token_usage_total_tokens")
    assert [tuple(row[key] for key in keys) for row in rows] == wanted
