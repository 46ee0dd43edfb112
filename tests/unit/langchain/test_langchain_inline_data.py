"""Base64 is found in texts, told by its size, and nothing else is taken for it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_otel.langchain.inline_data import (
    base64_size,
    sha256_of_base64,
    sha256_of_bytes,
    without_base64,
)
from clearml_otel.langchain.values import clean_text, to_json, to_text
from support.examples import examples


def encoded(size: int, seed: int = 1) -> str:
    return base64.b64encode(random.Random(seed).randbytes(size)).decode()


ORDINARY = [
    "",
    "short",
    "The quick brown fox jumps over the lazy dog. " * 500,
    "x" * 100_000,
    "ab" * 50_000,
    "Ab" * 50_000,
    "é" * 10_000,
    "深夜" * 10_000,
    "0123456789abcdef" * 1_000,
    "ACGT" * 5_000,
    "word\n" * 2_000,
    "Word1\nOther2\n" * 500,
    "aB3/" * 63,
    "/usr/lib/Python3.11/site-packages/" * 7,
    "https://host/path/to/Page1?a=1&b=2 " * 100,
    json.dumps({f"key{number}": "Value " * 20 for number in range(50)}),
    "\n".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(100)),
    "data:text/plain,Hello%20World",
    "base64, is an encoding; " * 50,
    "-" * 5_000,
    "=" * 5_000,
    "line\n\n\n" * 3_000,
]


@pytest.mark.parametrize("text", ORDINARY, ids=lambda text: text[:20])
def test_ordinary_texts_stay(text: str) -> None:
    assert without_base64(text) == text


@pytest.mark.parametrize("size", [192, 193, 194, 300, 1_000, 100_000])
@pytest.mark.parametrize("urlsafe", [False, True])
def test_a_text_that_is_nothing_else(size: int, urlsafe: bool) -> None:
    text = encoded(size)
    if urlsafe:
        text = text.translate(str.maketrans("+/", "-_"))
    assert without_base64(text) == f"<base64 of {size} bytes>"
    assert without_base64(text + "\n").strip() == f"<base64 of {size} bytes>"


@pytest.mark.parametrize("before", [0, 1, 100, 255, 256, 257, 400, 1_000])
def test_inside_a_text_wherever_it_stands(before: int) -> None:
    text = f"{' ' * before}see {encoded(384)} there"
    assert without_base64(text) == f"{' ' * before}see <base64 of 384 bytes> there"


def test_in_lines_as_mime_and_pem_break_them() -> None:
    for wrapped in (
        base64.encodebytes(random.Random(1).randbytes(3_000)).decode(),
        base64.encodebytes(random.Random(1).randbytes(3_000)).decode().replace("\n", "\r\n"),
    ):
        assert without_base64(f"begin: {wrapped} end") == "begin: <base64 of 3000 bytes> end"


def test_several_in_one_text() -> None:
    text = json.dumps([encoded(600), "between", encoded(900, 2)])
    assert json.loads(without_base64(text)) == [
        "<base64 of 600 bytes>",
        "between",
        "<base64 of 900 bytes>",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("data:image/png;base64,iVBORw0KGgo=", "<image/png of 8 bytes>"),
        ("![x](data:image/svg+xml;base64,AAAA) y", "![x](<image/svg+xml of 3 bytes>) y"),
        ("data:;base64,AAAA", "<data of 3 bytes>"),
        ("data:text/plain;charset=utf-8;base64,AAAA", "<text/plain of 3 bytes>"),
        ('{"url": "data:image/png;base64,AAA%3D"}', '{"url": "<image/png of 2 bytes>"}'),
    ],
)
def test_data_urls_of_any_length(text: str, wanted: str) -> None:
    assert without_base64(text) == wanted


def test_it_is_stripped_from_nested_values_and_texts() -> None:
    secret = encoded(3_000)
    value = {"a": [{"b": secret}], "c": f"x {secret} y", "d": f"data:image/png;base64,{secret}"}
    for text in (to_json(value), to_text(secret), clean_text(json.dumps(value))):
        assert secret[:30] not in text
        assert "3000 bytes" in text


def test_a_long_one_says_its_whole_size() -> None:
    assert clean_text(encoded(3_000_000)) == "<base64 of 3000000 bytes>"


@given(st.text(max_size=2_000))
@examples(200)
def test_any_text_stays_or_gets_shorter(text: str) -> None:
    assert len(without_base64(text)) <= len(text)


@given(st.binary(min_size=400, max_size=3_000), st.text(max_size=300))
@examples(200)
def test_no_random_file_gets_through(data: bytes, around: str) -> None:
    text = base64.b64encode(data).decode()
    mixed = (
        any(map(str.islower, text)) and any(map(str.isupper, text)) and any(map(str.isdigit, text))
    )
    found = without_base64(f"{around} {text} {around}")
    assert (text not in found) or not mixed


@pytest.mark.parametrize("size", range(40))
def test_sizes_without_decoding(size: int) -> None:
    data = os.urandom(size)
    for text in (base64.b64encode(data).decode(), base64.b64encode(data).decode().rstrip("=")):
        assert base64_size(text) == size
        assert sha256_of_base64(text) == hashlib.sha256(data).hexdigest() == sha256_of_bytes(data)


def test_hashes_of_wrapped_and_url_safe_base64() -> None:
    data = random.Random(1).randbytes(1_000_000)
    wanted = hashlib.sha256(data).hexdigest()
    for text in (
        base64.encodebytes(data).decode(),
        base64.urlsafe_b64encode(data).decode(),
        base64.b64encode(data).decode(),
    ):
        assert sha256_of_base64(text) == wanted


@pytest.mark.parametrize("text", ["not base64!", "a", "\x00" * 8, "AAAA=AAA", "é" * 8])
def test_broken_base64_has_no_hash(text: str) -> None:
    assert sha256_of_base64(text) is None
    assert base64_size(text) >= 0


def test_large_files_have_a_size_but_no_hash() -> None:
    data = bytes(5_000_000)
    text = base64.b64encode(data).decode()
    assert sha256_of_base64(text) is None
    assert base64_size(text) == len(data)
    assert sha256_of_bytes(data) is None


def test_the_same_image_is_hashed_once() -> None:
    text = encoded(2_000_000)
    sha256_of_base64(text)
    began = time.thread_time()
    for _ in range(100):
        sha256_of_base64(text)
    assert time.thread_time() - began < 0.05


@pytest.mark.parametrize(
    "text",
    [
        ("a" * 300 + ".") * 16_000,
        "Word1\n" * 800_000,
        "data:" * 500_000 + ";base64,",
        "data:a/b" + ";a=b" * 200_000 + ";base64,",
        "aB1" + "=" * 1_000_000,
        "aB1" * 1_000_000,
    ],
    ids=["runs", "lines", "data", "parameters", "padding", "one run"],
)
def test_hostile_texts_cost_no_more_than_their_length(text: str) -> None:
    began = time.thread_time()
    without_base64(text)
    assert time.thread_time() - began < 1
