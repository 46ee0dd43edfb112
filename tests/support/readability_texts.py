"""Texts of many kinds for the readability metrics, the same in every run."""

from __future__ import annotations

import ast
import inspect
import json
import random
import textwrap
from collections.abc import Callable
from pathlib import Path
from pydoc_data import topics

_WORDS: dict[str, list[str]] = json.loads(
    (Path(__file__).parents[1] / "data" / "readability_words.json").read_text("utf-8")
)
_ENGLISH, _APOSTROPHES, _EMOJI = _WORDS["English"], _WORDS["apostrophes"], _WORDS["emoji"]
_CHINESE = "".join(_WORDS["Chinese"])
_ODD_SPACES = (
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff"
)
_NASTY = (
    "abcXYZ019_.!?,;:-'\"=’‘“”—…•*#`/\\@$%^&()[]{}<>|~+ \n\t"
    "éßİıΣςKﬁ½²٣१Ⅻªº\u0301\u0307\u064b\u064e\u0651\u0627\u0649\u0648\u0646\u0626漢。！？👍\u200d"
    "\ud800\udc00\udbff\ue000\U0010ffff\0"
) + _ODD_SPACES
_ENDS = (".", ".", ".", "!", "?", "...", "?!", ".\n", ",", ";", "")


def _sentences(words: list[str]) -> Callable[[random.Random], str]:
    def make(rng: random.Random) -> str:
        sentences: list[str] = []
        for _ in range(rng.choice((1, 1, 2, 3, 5, 12))):
            chosen = rng.choices(words, k=rng.randint(1, 20))
            sentences.append(" ".join(chosen).capitalize() + rng.choice(_ENDS))
        return rng.choice((" ", "\n", "\n\n", "  ")).join(sentences)

    return make


def _chinese(rng: random.Random) -> str:
    return "".join(rng.choice(_CHINESE + "，。！？") for _ in range(rng.randint(1, 80)))


def _json(rng: random.Random) -> str:
    def value(depth: int) -> object:
        kind = rng.randint(0, 6 if depth else 4)
        if kind > 4:
            keys = rng.sample(_ENGLISH, k=rng.randint(0, 4))
            return {key: value(depth - 1) for key in keys} if kind == 5 else [value(depth - 1)] * 2
        words = " ".join(rng.choices(_ENGLISH, k=rng.randint(0, 9)))
        return (words, rng.randint(-9, 10**6), rng.random(), None, True)[kind]

    return json.dumps(value(3), indent=rng.choice((None, 2)), ensure_ascii=rng.random() < 0.5)


def _markdown(rng: random.Random) -> str:
    def words(n: int) -> str:
        return " ".join(rng.choices(_ENGLISH, k=n))

    blocks = (
        f"# {words(4).title()}",
        "\n".join(f"- **{words(2)}**: {words(6)}" for _ in range(rng.randint(1, 5))),
        "\n".join(f"{i}. {words(5)}." for i in range(1, rng.randint(2, 12))),
        f"```python\nprint('{words(3)}')\nx = foo.bar(1.5)[0]\n```",
        f"> {words(12)} — *{words(2)}*",
        "| a | b |\n|---|---|\n| 1 | `x_y` |",
        f"See [{words(2)}](https://example.org/{words(1)}?q=1&r=2.5).",
        f"{words(15).capitalize()}. {words(9).capitalize()}!",
    )
    return "\n\n".join(rng.choices(blocks, k=rng.randint(1, 6)))


def _nasty(rng: random.Random) -> str:
    return "".join(rng.choices(_NASTY, k=rng.randint(1, rng.choice((5, 30, 200)))))


def _pathological(rng: random.Random) -> str:
    piece = rng.choice((*_NASTY, "a.", "a b.", "word ", "don't ", "e.g. ", "1.5 ", "\u064e\u064b"))
    return piece * rng.randint(1, 150)


def _one_word(rng: random.Random) -> str:
    word = rng.choice(
        _ENGLISH + _APOSTROPHES + _WORDS["Spanish"] + _WORDS["Turkish and Greek"] + _WORDS["Arabic"]
    )
    return rng.choice(("", "\n\n", " ")) + rng.choice((word, word.upper(), word.title()))


def _long_token(rng: random.Random) -> str:
    letters = rng.choice(
        ("abcdefghijklmnopqrstuvwxyz", "acetionsr", "aGVsbG8+/9Q=", _CHINESE, "éae")
    )
    token = "".join(rng.choices(letters, k=rng.choice((61, 63, 64, 65, 127, 129, 300, 1500))))
    return " ".join(filter(None, (rng.choice(("", "It is")), token, rng.choice(("", "indeed.")))))


def _hundred_tokens(rng: random.Random) -> str:
    """Around the length at which Linsear Write looks at the beginning only."""
    tokens = rng.choices([*_ENGLISH, "-", "—", "...", "end.", "why?"], k=rng.randint(96, 240))
    return " ".join(tokens) + rng.choice(("", ".", " \n"))


_KINDS: dict[str, tuple[int, Callable[[random.Random], str]]] = {
    "English": (700, _sentences(_ENGLISH)),
    "apostrophes": (300, _sentences(_ENGLISH[:60] + _APOSTROPHES)),
    "Spanish": (250, _sentences(_WORDS["Spanish"])),
    "Italian": (150, _sentences(_WORDS["Italian"])),
    "German": (100, _sentences(_WORDS["German"])),
    "Turkish and Greek": (150, _sentences(_WORDS["Turkish and Greek"] + _ENGLISH[:20])),
    "Arabic": (300, _sentences(_WORDS["Arabic"])),
    "Chinese": (150, _chinese),
    "emoji": (150, _sentences(_EMOJI + _ENGLISH[:20])),
    "emoji only": (30, lambda rng: " ".join(rng.choices(_EMOJI, k=rng.randint(1, 5)))),
    "mixed": (
        300,
        _sentences(_ENGLISH[:30] + _APOSTROPHES + _WORDS["Spanish"] + _WORDS["Arabic"] + _EMOJI),
    ),
    "JSON": (250, _json),
    "Markdown": (300, _markdown),
    "one word": (200, _one_word),
    "long token": (60, _long_token),
    "hundred tokens": (150, _hundred_tokens),
    "nasty": (1000, _nasty),
    "pathological": (200, _pathological),
    "blank": (60, lambda rng: "".join(rng.choices(_ODD_SPACES, k=rng.randint(0, 6)))),
}

_EDGES = (
    *("", " ", "\n\n", "...", "👍", "’", "'", "=", "_", "?!", "a", "I", "A.", "a b c", "a b c."),
    *("\ud800", "\udc00\ud800", "\ud83d\ude00", "word \udfff word", "\0", "\ufeffThe end"),
    *("e.g. this is", "3.14 is pi", "U.S.A.", "www.example.org/a-b_c", "x" * 64, "a" * 10_000),
)


def readability_texts() -> dict[str, list[str]]:
    """Kind -> texts: more than 5,000 together, from a word to some thousand characters."""
    texts = {
        kind: [make(random.Random(f"{kind} {i}")) for i in range(count)]
        for kind, (count, make) in _KINDS.items()
    }
    documentation = [str(topics.topics[name]) for name in sorted(topics.topics)]
    texts["documentation"] = [p for d in documentation for p in d.split("\n\n") if p][:600]
    texts["long documentation"] = [document[:8_000] for document in documentation[:40]]
    texts["code"] = [
        code[:2_000]
        for module in (ast, inspect, json, random, textwrap)
        for code in inspect.getsource(module).split("\n\n\n")
    ][:150]
    texts["edges"] = list(_EDGES)
    return texts
