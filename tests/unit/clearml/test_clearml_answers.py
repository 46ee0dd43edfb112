"""How long a server asks to be left alone for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from clearml_otel.clearml.answers import check_answer, retry_after_s
from clearml_otel.clearml.transport import TransportError


def answer(**headers: str) -> SimpleNamespace:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(headers=named, status_code=503, json=lambda: {"meta": {}})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0.0),
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("-3", 0.0),
        ("soon", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("1e9", 3_600.0),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0),
    ],
)
def test_seconds(text: str, seconds: float) -> None:
    assert retry_after_s(answer(Retry_After=text)) == seconds


def test_dates() -> None:
    then = datetime.now(timezone.utc) + timedelta(seconds=100)
    assert 95 < retry_after_s(answer(Retry_After=format_datetime(then, usegmt=True))) <= 100


def test_an_error_carries_it() -> None:
    with pytest.raises(TransportError) as caught:
        check_answer("http://host", answer(Retry_After="9"), is_login=False)
    assert caught.value.retry_after_s == 9.0
    assert caught.value.transient
