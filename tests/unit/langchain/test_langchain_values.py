"""The total encoder: any value becomes bounded, valid JSON without secrets."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from enum import Enum, IntEnum
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, SecretBytes, SecretStr

from clearml_otel.langchain import values
from clearml_otel.langchain.values import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TEXT,
    clean_text,
    plain,
    to_json,
    to_text,
)
from clearml_otel.secret_texts import HIDDEN, is_secret_key
from support.examples import examples


class RaisingStr:
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class RaisingClass:
    """As a proxy whose object is gone: even `isinstance` raises."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("working outside of the context")


class RaisingMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("closed")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("closed")

    def __len__(self) -> int:
        return 3


class RaisingGetattr:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int
    label: object


class Settings(BaseModel):
    name: str
    password: SecretStr
    key: SecretBytes
    nothing: None = None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (-(2**63), -(2**63)),
        (2**63, str(2**63)),
        (10**30, str(10**30)),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        ("text", "text"),
        (b"\x00\xff", "<2 bytes>"),
        (bytearray(b"abc"), "<3 bytes>"),
        ((1, "two"), [1, "two"]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({1}), [1]),
        ({"a": {"b": [1]}}, {"a": {"b": [1]}}),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        (OrderedDict(z=1, a=2), {"z": 1, "a": 2}),
        (Level.HIGH, 3),
        (Point(1, Point(2, None)), {"x": 1, "label": {"x": 2, "label": None}}),
        (datetime(2023, 3, 29, tzinfo=timezone.utc), "2023-03-29 00:00:00+00:00"),
        (Colour.RED, "Colour.RED"),
        (int, "<class 'int'>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values(value: object, wanted: object) -> None:
    assert plain(value) == wanted
    assert json.loads(to_json(value)) == wanted


@pytest.mark.parametrize(
    "value",
    [
        RaisingStr(),
        RaisingMapping(),
        RaisingGetattr(),
        {"key": RaisingStr()},
        [RaisingStr()],
        {RaisingStr(): 1},
        {RaisingStr()},
        Point(1, RaisingStr()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_raise_are_named(value: object) -> None:
    assert "RuntimeError" in to_json(value)
    json.loads(to_json(value))


def test_a_value_whose_class_raises_is_encoded() -> None:
    assert json.loads(to_json({"request": RaisingClass(), "rest": 1}))["rest"] == 1


def test_an_integer_that_python_cannot_print_is_encoded() -> None:
    # `str` refuses more than 4,300 digits
    assert json.loads(to_json({"n": 10**5_000, "rest": 1}))["rest"] == 1
    assert json.loads(to_json(10**5_000))


def test_cycles_end() -> None:
    cyclic: dict[str, Any] = {"a": 1}
    cyclic["self"] = cyclic
    cyclic["list"] = [cyclic]
    assert plain(cyclic) == {"a": 1, "self": "<dict>", "list": ["<dict>"]}


def test_equal_neighbours_are_no_cycle() -> None:
    shared = [1]
    assert plain([shared, shared]) == [[1], [1]]


def test_depth_is_bounded() -> None:
    value: Any = "deep"
    for _ in range(100_000):
        value = [value]
    text = to_json(value)
    assert json.loads(text)
    assert text.count("[") <= MAX_DEPTH


def test_long_lists_are_counted() -> None:
    found = plain(list(range(1_000_000)))
    assert isinstance(found, list)
    assert found[:MAX_ITEMS] == list(range(MAX_ITEMS))
    assert found[MAX_ITEMS:] == [f"… {1_000_000 - MAX_ITEMS} more"]


def test_large_mappings_are_counted() -> None:
    found = plain({str(number): number for number in range(5_000)})
    assert isinstance(found, dict)
    assert len(found) == MAX_ITEMS + 1
    assert found["…"] == f"{5_000 - MAX_ITEMS} more"


def test_long_text_is_cut_and_says_how_long_it_was() -> None:
    text = to_text("a" * (MAX_TEXT + 5))
    assert text.startswith("a" * MAX_TEXT)
    assert f"{MAX_TEXT + 5} characters" in text
    assert len(text) < MAX_TEXT + 60
    assert json.loads(to_json(["b" * (MAX_TEXT * 2)]))[0].startswith("b" * MAX_TEXT)


def test_the_whole_is_bounded_not_only_its_parts() -> None:
    # 20 million characters in a hundred texts, none of which is long by itself
    value = [str(number) * 100_000 for number in range(100, 200)]
    text = to_json(value)
    json.loads(text)
    assert len(text) <= 8 * MAX_TEXT


def test_shared_parts_do_not_multiply() -> None:
    # 10**6 leaves out of seven lists
    value: object = "leaf"
    for _ in range(6):
        value = [value] * 10
    text = to_json(value)
    json.loads(text)
    assert len(text) <= 8 * MAX_TEXT


def test_iterators_are_not_consumed() -> None:
    iterator = iter([1, 2, 3])
    to_json({"stream": iterator})
    assert list(iterator) == [1, 2, 3]


def test_sets_have_one_order() -> None:
    words = {f"word{number}" for number in range(50)}
    assert plain(words) == sorted(words)


def test_langchain_objects_are_told_by_their_fields() -> None:
    assert plain(HumanMessage("hi")) == {"content": "hi", "type": "human"}
    assert plain(Document("text", metadata={"source": "a.txt"})) == {
        "metadata": {"source": "a.txt"},
        "page_content": "text",
        "type": "Document",
    }


# -- text --------------------------------------------------------------------------------


def test_lone_surrogates_are_replaced() -> None:
    assert clean_text("a\ud800b") == "a?b"
    assert json.loads(to_json({"k\udfff": "v\ud800"})) == {"k?": "v?"}
    assert clean_text("naïve 😀 中文") == "naïve 😀 中文"


@given(st.text(st.characters(codec=None), max_size=200))
@examples(100)
def test_any_text_is_encodable(text: str) -> None:
    to_text(text).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://user:hunter2@db/x", "hunter2"),
        ("see https://:hunter2@host/ now", "hunter2"),
        ("https://hunter2@github.com/a/b", "hunter2"),
        ("https://user:hun@ter2@host/", "ter2"),
        ("a https://u:hunter2@h and https://v:hunter2@h", "hunter2"),
        # the cut must not part a password from the @ that tells that it is one
        ("x" * (MAX_TEXT - 20) + "https://user:hunter2@host", "hunter"),
    ],
    ids=["user", "no-user", "token-only", "at-in-password", "two", "cut"],
)
def test_no_url_credentials(text: str, secret: str) -> None:
    assert secret not in to_text(text)
    assert secret not in to_json({"base_url": text})


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("curl -H 'Authorization: Bearer abc.def-123' x", "abc.def-123"),
        ('{"authorization": "Basic dXNlcjpwYXNz"}', "dXNlcjpwYXNz"),
        ("AUTHORIZATION=0123456789abcdef0123", "0123456789abcdef0123"),
        ("it said Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "eyJhbGciOiJIUzI1NiJ9"),
        ("Incorrect API key provided: sk-proj-abcdefghij0123456789.", "abcdefghij0123456789"),
        ('OPENAI_API_KEY="abcd1234efgh5678"', "abcd1234efgh5678"),
        ("x-api-key: 0f1e2d3c4b5a69788796", "0f1e2d3c4b5a69788796"),
        ("client_secret = Zm9vYmFyYmF6cXV4MTIzNA==", "Zm9vYmFyYmF6cXV4MTIzNA"),
        ("https://api.example.com/v1?q=cats&api_key=abc&x=1", "=abc"),
        ("https://api.example.com/v1?token=abc", "=abc"),
        ("https://api.example.com/v1?auth_token=abc", "=abc"),
        ("https://store.example.com/f?sv=2024&sig=a%2Fb123&x=1", "a%2Fb123"),
        ("https://store.example.com/f?X-Amz-Signature=a0b1c2d3&x=1", "a0b1c2d3"),
        ("Authorization: ApiKey a0b1c2d3e4f5", "a0b1c2d3e4f5"),
        ("no answer of host=db user=me password=hunter2 dbname=x", "hunter2"),
        ("input_value={'password': 'swordfish'}, input_type=dict", "swordfish"),
        ('login(user="me", password="sword fish")', "sword fish"),
        ("PGPASSWORD=hunter2 psql", "hunter2"),
        ("password: hunter22", "hunter22"),
        ("refresh_token=a0b1c2d3e4f5a6b7c8", "a0b1c2d3e4f5a6b7c8"),
        ('{"access_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmVk"}', "c2lnbmVk"),
        ("id_token=eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmVk", "c2lnbmVk"),
        ("Ocp-Apim-Subscription-Key: a0b1c2d3e4f5a6b7c8", "a0b1c2d3e4f5a6b7c8"),
    ],
)
def test_no_secrets_inside_texts(text: str, secret: str) -> None:
    shown = clean_text(text)
    assert secret not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "Bearer tokens and authorization: two things to know",
        "the bearer of bad news that nobody expected",
        "risk-management is a task-oriented skill: the key: patience",
        "api_key = os.environ['OPENAI_API_KEY']",
        "client.api_key: str | None = None",
        "https://example.com/search?q=api_key&keyword=value",
        "press any key: the token economy",
        "password: at least 8 characters, one of them a number",
        "the password is checked with check(password=given) and password = getpass()",
        "https://example.com/search?design=1&keyword=v&turnkey2=x",
    ],
)
def test_texts_about_secrets_stay(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "key: " + "a-" * 100_000,
        "password=" * 25_000,
        "password='" * 25_000,
        "access_token=" * 20_000,
        "authorization: " * 15_000,
        "key: https://x?" + "a-" * 100_000,
        "://" + "a@" * 100_000,
        "x-api-key-" * 20_000,
        "token: " + "-eyJabcdefgh" * 16_000,
        "token: " + "eyJabcdefgh." * 16_000,
    ],
    ids=lambda text: text[:16],
)
def test_no_text_takes_the_square_of_its_length(text: str) -> None:
    """Half a minute and more, where it does; else a tenth of a second."""
    begun = time.thread_time()
    clean_text(text)
    assert time.thread_time() - begun < 5


def test_urls_without_credentials_stay() -> None:
    text = "https://api.example.com:8080/v1?q=a@b and mail me at me@example.com, at 10:30@noon"
    assert clean_text(text) == text


class Table(BaseModel, arbitrary_types_allowed=True):
    question: str
    rows: Any = None
    nothing: dict[str, Any] = {}


def test_a_models_field_that_cannot_be_compared() -> None:
    """A table or an array says of each of its elements whether it is equal."""
    told = json.loads(to_json(Table(question="q", rows=pd.Series([1, 2], index=["a", "b"]))))
    assert told.keys() == {"question", "rows"}
    assert told["question"] == "q"
    assert told["rows"].startswith("a    1")


# -- secrets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "openai_api_key",
        "apiKey",
        "OPENAI_API_KEY",
        "api-key",
        "x-api-key",
        "password",
        "passwd",
        "secret",
        "client_secret",
        "aws_secret_access_key",
        "Authorization",
        "proxy-authorization",
        "access_token",
        "access-token",
        "refresh_token",
        "refreshToken",
        "auth_token",
        "token",
        "hf_token",
        "private_key",
        "private-key",
        "credentials",
        "aws_session_token",
        "X-Amz-Security-Token",
        "azure_ad_token",
        "Ocp-Apim-Subscription-Key",
        "Cookie",
        "Set-Cookie",
        "pwd",
        "db_pwd",
        "jwt",
        "signing_key",
        "encryption-key",
        "ssh_key",
    ],
)
def test_secret_keys(key: str) -> None:
    assert is_secret_key(key)
    assert json.loads(to_json({"model_kwargs": {key: "hunter2"}})) == {
        "model_kwargs": {key: HIDDEN}
    }


def test_secret_keys_of_any_length() -> None:
    assert is_secret_key("x" * 300 + "_api_key")
    assert not is_secret_key("x" * 300)


@pytest.mark.parametrize(
    "key",
    [
        "max_tokens",
        "prompt_tokens",
        "n_tokens",
        "token_usage",
        "total_tokens",
        "tokenizer",
        "eos_token",
        "stop_token",
        "logit_bias",
        "key",
        "keywords",
        "author",
        "text",
        "passage",
        "secretary",
        "pad_token",
        "cookies_eaten",
    ],
)
def test_ordinary_keys_stay(key: str) -> None:
    assert json.loads(to_json({key: "value"})) == {key: "value"}


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        b"hunter2",
        ["hunter2"],
        {"value": "hunter2"},
        ("user", "hunter2"),
        SecretStr("hunter2"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_stands_under_a_secret_key_is_hidden_whatever_it_is(value: object) -> None:
    assert "hunter2" not in to_json({"api_key": value})
    assert "hunter2" not in to_json({"headers": [{"credentials": value}]})


def test_a_number_under_a_secret_key_is_hidden() -> None:
    assert "2468" not in to_json({"password": 2468})


def test_pydantic_secrets_are_hidden() -> None:
    text = to_json(Settings(name="n", password=SecretStr("hunter2"), key=SecretBytes(b"hunter2")))
    assert "hunter2" not in text
    assert json.loads(text)["name"] == "n"
    assert "hunter2" not in to_json([SecretStr("hunter2")])


# -- any value ---------------------------------------------------------------------------

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.builds(RaisingStr)
    | st.builds(RaisingGetattr)
    | st.builds(object)
    | st.just(Colour.RED)
    | st.builds(SecretStr, st.just("hunter2"))
)
anything = st.recursive(
    leaves,
    lambda children: (
        st.lists(children)
        | st.tuples(children)
        | st.dictionaries(st.text(st.characters(codec=None)) | st.integers(), children)
    ),
)


@given(anything)
@examples(200)
def test_anything_becomes_strict_json(value: object) -> None:
    def no_constant(name: str) -> object:
        raise AssertionError(f"{name} is no JSON")

    text = to_json(value)
    text.encode("utf-8")
    assert "hunter2" not in text
    # what was encoded once is plain JSON, and stays what it is
    assert json.loads(text, parse_constant=no_constant) == plain(json.loads(text))


MARKS = [
    ":",
    "=",
    ";base64,",
    "sk-",
    "earer ",
    "b",
    "://u:p@",
    "key=",
    "data:",
    "é",
    "\ud800",
    " a",
]
marked = st.lists(st.sampled_from(MARKS) | st.text(max_size=9), max_size=60).map("".join)


@given(marked, st.sampled_from([5, 100, 300, 262_144]))
@examples(300)
def test_the_short_way_to_clean_a_text_leaves_the_same(text: str, limit: int) -> None:
    assert clean_text(text, limit) == values._cleaned(text, limit)


small = st.none() | st.booleans() | st.integers() | st.floats() | marked | st.binary(max_size=3)
fields = st.dictionaries(marked | st.sampled_from(["query", "api_key"]), small, max_size=9)


@given(fields)
@examples(300)
def test_the_short_way_to_the_json_of_a_few_fields_says_the_same(fields: dict[str, object]) -> None:
    assert to_json(fields) == values._compact(plain(fields))
