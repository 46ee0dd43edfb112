"""ClearML's own ``Session`` with another way of sending. Importing this imports ``clearml``.

The SDK's waits for hours when a server is down, and for ever when TLS fails, a response breaks off
or a server says "503" to a POST (``Session._send_request``).
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from typing import Any

import requests

from clearml_otel.clearml.answers import (
    check_answer,
    check_redirects,
    check_upload,
    host_name,
    is_busy,
    retry_after_s,
)
from clearml_otel.clearml.time_left import cut, seconds_left
from clearml_otel.clearml.transport import TransportError

Timeouts = tuple[float, float]

_RETRY_DELAYS = (0.1, 0.3)

_Session: Any = importlib.import_module("clearml.backend_api.session").Session
_http_session: Any = importlib.import_module(
    "clearml.backend_api.utils"
).get_http_session_with_retry


class BoundedSession(_Session):
    """Configuration, log-in, tokens and API version as in the SDK; requests in bounded time.

    Args:
        timeouts: seconds to connect, and to wait for an answer.
        keywords: as for ``clearml.backend_api.session.Session``.
    """

    _offline_mode = False
    repeats = True
    """Whether a request whose answer was lost is sent again at once."""

    def __init__(self, timeouts: Timeouts, **keywords: Any) -> None:
        self._timeouts = timeouts
        self._http: Any = None
        _Session.__init__(self, **keywords)

    def _get_retry_codes(self) -> list[int]:
        return []  # the SDK's own prints what clearml.conf adds

    def _apply_config_sections(self, local_logger: Any) -> None:
        """Leave the application's environment and files as they are."""

    def _send_request(
        self,
        service: str,
        action: str,
        version: str | None = None,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        refresh_token_if_unauthorized: bool = True,
        **request: Any,
    ) -> Any:
        url = f"{self.host}/v{version}/" if version else f"{self.host}/"
        sent = dict(headers or {})
        sent.update(dict.fromkeys(self._WORKER_HEADER, self.worker))
        sent.update(dict.fromkeys(self._CLIENT_HEADER, self.client))
        request.update(method=method or "get", url=f"{url}{service}.{action}", headers=sent)
        response = self._exchange(request, repeat=self.repeats and action != "create")
        if response.status_code == 401 and refresh_token_if_unauthorized:
            self.refresh_token()
            response = self._exchange({**request, "headers": self.add_auth_headers(sent)})
        check_answer(self.host, response, is_login=service == "auth")
        return response

    def post_file(self, host: str, path: str, data: bytes, content_type: str) -> None:
        """Store a file under a path of a files server."""
        request = {
            "method": "post",
            "url": host,
            "files": {path: (path.rpartition("/")[2], data, content_type)},
            "headers": self.add_auth_headers({}),
        }
        check_upload(host, self._exchange(request))

    def close_http(self) -> None:
        """Close the sockets; the next request opens new ones."""
        if self._http is not None:
            self._http.close()

    def _exchange(self, request: dict[str, Any], *, repeat: bool = True) -> Any:
        """Send a request, and again where the server is busy or has closed an idle socket."""
        if self._http is None:
            # read=False: a time-out is raised as such
            self._http = _http_session(0, read=False, config=self.config, pool_maxsize=2)
            self._http.write_timeout = self._timeouts
        for delay in (*_RETRY_DELAYS, None):
            again = repeat and delay is not None
            timeouts = cut(self._timeouts)
            try:
                response = self._http.request(timeout=timeouts, **request)
            except requests.exceptions.RequestException as error:
                lost = isinstance(error, requests.exceptions.ConnectionError)
                final = isinstance(
                    error, (requests.exceptions.Timeout, requests.exceptions.SSLError)
                )
                if final or not lost or not again:
                    raise _unreachable(request["url"], error, timeouts) from error
            else:
                check_redirects(response)
                asked_to_wait = retry_after_s(response) > 0
                if not is_busy(response.status_code) or asked_to_wait or not again:
                    return response
            time.sleep(max(0.0, min(delay or 0.0, seconds_left())))
        raise AssertionError("the last attempt returns or raises")


def _unreachable(url: str, error: Exception, timeouts: Timeouts) -> TransportError:
    failures = requests.exceptions
    text = str(error)
    advice = "check that it is up and that CLEARML_API_HOST and CLEARML_FILES_HOST are right"
    if isinstance(error, failures.ReadTimeout):
        what = f"gave no answer within {timeouts[1]:.3g} s"
    elif isinstance(error, failures.ConnectTimeout):
        what = f"cannot be reached within {timeouts[0]:.3g} s"
    elif isinstance(error, failures.SSLError):
        what = "has no certificate that can be trusted, or speaks no TLS"
        advice = "check CLEARML_API_HOST, and CLEARML_API_HOST_VERIFY_CERT for one of your own"
    elif isinstance(error, (failures.InvalidSchema, failures.MissingSchema, failures.InvalidURL)):
        what = "has no address that can be used"
        advice = "set CLEARML_API_HOST to one such as http://localhost:8008"
    elif isinstance(error, failures.ProxyError):
        what = "cannot be reached through the proxy"
    elif "refused" in text:
        what = "refuses connections"
    elif "resolve" in text or "Name or service" in text:
        what = "has an unknown name"
    else:
        what = "broke the connection"
    return TransportError(f"the ClearML server {host_name(url)} {what}; {advice}", transient=True)
