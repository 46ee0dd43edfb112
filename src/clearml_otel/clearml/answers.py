"""What a ClearML server's answers mean, as one line each that says what to do."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit

from clearml_otel.clearml.transport import UNAUTHORIZED, TransportError

CREDENTIALS = "CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY"

_BUSY = {429, 502, 503, 504}
_WITHOUT_BODY = {301, 302, 303}
"""Redirections after which a request is sent on without what it said."""
_LONGEST_RETRY_AFTER_S = 3_600.0


def is_busy(status: int) -> bool:
    """Whether a server, or a proxy before it, asks to come back later."""
    return status in _BUSY


class RefusedError(TransportError):
    """The server understood the request and said no; ``code`` and ``subcode`` are ClearML's."""

    def __init__(self, message: str, *, code: int, subcode: int, transient: bool = False) -> None:
        kind = UNAUTHORIZED if code in {401, 403} else "transient"
        super().__init__(message, transient=transient, kind=kind)
        self.code = code
        self.subcode = subcode


def transport_error(error: BaseException | None) -> TransportError | None:
    """What was raised here, inside the LoginError that ClearML's session makes of everything."""
    while error is not None:
        if isinstance(error, TransportError):
            return error
        error = error.__cause__ or error.__context__
    return None


def host_name(url: str) -> str:
    """Where a URL leads, without the user and password it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2] or "the configured host"


def check_answer(url: str, response: Any, *, is_login: bool) -> None:
    """Raise for answers that ClearML's session would take for something else or wait for."""
    host, status = host_name(url), int(response.status_code)
    meta = _meta(response)
    if meta is None:
        if status >= 500 or status in _BUSY:
            raise _failed(host, response, "")
        raise TransportError(
            f"{host} answered {status} with a web page or other data that is not ClearML's API; "
            "check that CLEARML_API_HOST is the API server (port 8008, not 8080 or 8081) and that "
            "no proxy or log-in page is in between",
            transient=True,
        )
    if status >= 500 or status in _BUSY:
        raise _failed(host, response, str(meta.get("result_msg") or ""))
    if is_login and status != 200:
        raise refusal(host, "auth.login", status, meta)


def check_upload(url: str, response: Any) -> None:
    """Raise unless a files server stored a file, which it answers with JSON."""
    host, status = host_name(url), int(response.status_code)
    if status in {401, 403}:
        raise refusal(host, "upload", status, {})
    if status >= 500 or status in _BUSY:
        raise _failed(host, response, "")
    if status != 200 or _json(response) is None:
        raise TransportError(
            f"{host} did not store a file (answer {status}); check that CLEARML_FILES_HOST is "
            "ClearML's files server (port 8081)",
            transient=status == 200,
        )


def check_redirects(response: Any) -> None:
    """Raise for an answer from where a request was sent on to and did not arrive whole.

    Its body is left out, and to another server the credentials are too.
    """
    history: list[Any] = list(response.history)
    lost_body = any(each.status_code in _WITHOUT_BODY for each in history)
    if lost_body or (history and response.status_code in {401, 403}):
        raise TransportError(
            f"{host_name(history[0].url)} sends requests on to {host_name(response.url)}, where "
            "they do not arrive whole; set CLEARML_API_HOST and CLEARML_FILES_HOST to the "
            "addresses that answer by themselves (https:// rather than http://?), or log in to "
            "the network",
            transient=True,
        )


def _meta(response: Any) -> Mapping[str, Any] | None:
    answer = _json(response)
    meta: object = cast("dict[str, Any]", answer).get("meta") if isinstance(answer, dict) else None
    return cast("dict[str, Any]", meta) if isinstance(meta, dict) else None


def _json(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def retry_after_s(response: Any) -> float:
    """Seconds that the answer asks to be left alone for, 0 where it doesn't; an hour at most.

    Source: RFC 9110, section 10.2.3.
    """
    text = str(response.headers.get("Retry-After") or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else 0.0


def _failed(host: str, response: Any, message: str) -> TransportError:
    status = int(response.status_code)
    what = "gets too many requests" if status == 429 else "failed; its log says why"
    reason = f": {message[:200]}" if message else ""
    return TransportError(
        f"the ClearML server {host} {what} ({status}{reason})",
        transient=True,
        retry_after_s=retry_after_s(response),
    )


def refusal(host: str, endpoint: str, code: int, meta: Mapping[str, Any]) -> RefusedError:
    """The error for an answer by which a server says no.

    Args:
        host: the name of the server.
        endpoint: what was called, such as ``tasks.create``.
        code: the status, as in HTTP.
        meta: the ``meta`` part of the answer.
    """
    subcode = int(meta.get("result_subcode") or 0)
    message = str(meta.get("result_msg") or "")[:300]
    if code in {401, 403}:
        return RefusedError(
            f"the ClearML server {host} refused the credentials ({endpoint}, {code}); "
            f"set {CREDENTIALS} to valid ones, or run `clearml-init`",
            code=code,
            subcode=subcode,
            transient=True,
        )
    hint = "; names need three characters or more" if "too short" in message else ""
    return RefusedError(
        f"ClearML refused {endpoint} ({code}/{subcode}): {message}{hint}",
        code=code,
        subcode=subcode,
    )
