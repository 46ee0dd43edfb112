"""One authenticated connection to a ClearML server."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from clearml_otel.clearml.answers import CREDENTIALS, host_name, refusal, transport_error
from clearml_otel.clearml.transport import TransportError

if TYPE_CHECKING:
    from clearml_otel.clearml.bounded_session import Timeouts

_API_VERSIONS = ((2, 23), (2, 20), (2, 13), (2, 9))
"""The versions whose requests ClearML's SDK describes; the newest that the server has is used."""

logger = logging.getLogger("clearml_otel.clearml")


class Connection:
    """Requests to the API server and uploads to the files server, after one log-in.

    Args:
        timeouts: seconds to connect, and to wait for an answer.

    Raises:
        TransportError: there are no credentials, or the log-in failed.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._session = _log_in(timeouts)
        have = tuple(int(part) for part in str(self._session.api_version).split(".")[:2])
        major, minor = next((each for each in _API_VERSIONS if each <= have), _API_VERSIONS[-1])
        self._version = f"{major}.{minor}"

    @property
    def host(self) -> str:
        """The name of the API server."""
        return host_name(str(self._session.host))

    def call(self, endpoint: str, **fields: Any) -> dict[str, Any]:
        """Call an endpoint such as ``tasks.create``; its answer is returned.

        Raises:
            TransportError: the server cannot be reached, or refused the request.
        """
        return self._send(endpoint, json=fields)

    def call_batch(self, endpoint: str, body: bytes, *, repeats: bool = True) -> dict[str, Any]:
        """Call an endpoint with a body of JSON lines.

        Args:
            endpoint: the endpoint.
            body: the lines.
            repeats: whether it may be sent again where the answer is lost.
        """
        headers = {"Content-Type": "application/json-lines"}
        self._session.repeats = repeats
        try:
            return self._send(endpoint, data=body, headers=headers)
        finally:
            self._session.repeats = True

    def upload(self, path: str, data: bytes, content_type: str) -> str:
        """Store a file on the files server, or in the bucket that is configured as one.

        Returns:
            The URL of the file.
        """
        host = self._files_host()
        url = f"{host.rstrip('/')}/{path}"
        if urlsplit(host).scheme in {"http", "https"}:
            self._session.post_file(host, path, data, content_type)
        else:
            helper = importlib.import_module("clearml.storage.helper").StorageHelper
            helper.get(host).upload_from_stream(io.BytesIO(data), url)
        return url

    def web_page(self, project_id: str, task_id: str) -> str:
        """The page of a task in ClearML's web application; empty if that isn't known."""
        try:
            host = str(self._session.get_app_server_host(config=self._session.config))
        except ValueError:
            return ""
        kind = "tasks" if self._session.check_min_api_server_version("2.31") else "experiments"
        return f"{host}/projects/{project_id or '*'}/{kind}/{task_id}/output/log"

    def close(self) -> None:
        """Close the sockets."""
        self._session.close_http()

    def _files_host(self) -> str:
        try:
            return str(self._session.get_files_server_host(config=self._session.config))
        except ValueError as error:
            raise TransportError(
                "the address of ClearML's files server is not known; set CLEARML_FILES_HOST",
                transient=True,
            ) from error

    def _send(self, endpoint: str, **request: Any) -> dict[str, Any]:
        service, _, action = endpoint.partition(".")
        response = self._session.send_request(
            service=service, action=action, version=self._version, **request
        )
        answer: dict[str, Any] = response.json()
        code = int(answer["meta"].get("result_code") or response.status_code)
        if code == 200:
            return answer.get("data") or {}
        raise refusal(host_name(self._session.host), endpoint, code, answer["meta"])


def _log_in(timeouts: Timeouts) -> Any:
    """A session of ClearML's, logged in with the configuration as it is now."""
    from clearml_otel.clearml.bounded_session import BoundedSession

    defs = importlib.import_module("clearml.backend_api.session.defs")
    configuration = importlib.import_module("clearml.backend_config").ConfigurationError
    try:
        with _log_filters_kept():
            return BoundedSession(
                timeouts=timeouts,
                config=_configuration(),
                logger=logger,
                http_retries_config={"total": 0},
            )
    except defs.MissingConfigError as error:
        raise TransportError(
            "ClearML has no credentials here; run `clearml-init`, or set CLEARML_API_HOST, "
            f"{CREDENTIALS}, or CLEARML_OFFLINE_MODE=1 for an offline session",
            transient=True,
        ) from error
    except configuration as error:
        raise TransportError(
            f"clearml.conf cannot be read; repair it or run `clearml-init`: {error}",
            transient=True,
        ) from error
    except Exception as error:
        known = transport_error(error)
        if known is not None:
            raise known from None
        raise TransportError(
            f"the log-in to ClearML failed; check CLEARML_API_HOST and {CREDENTIALS}: {error}",
            transient=True,
        ) from error


@contextlib.contextmanager
def _log_filters_kept() -> Generator[None, None, None]:
    """Take back the filter by which a session of ClearML's hides warnings from everyone."""
    names = ("urllib3.connectionpool", "requests.packages.urllib3.connectionpool")
    kept = [(logging.getLogger(name), list(logging.getLogger(name).filters)) for name in names]
    try:
        yield
    finally:
        for filtered, filters in kept:
            filtered.filters[:] = filters


def _configuration() -> Any:
    """``clearml.conf`` as it is on disk now: ClearML keeps what it read first, repaired or not."""
    config_module = importlib.import_module("clearml.config")
    load = importlib.import_module("clearml.backend_api").load_config
    with _one_parser.lock:
        return load(Path(str(config_module.__file__)).parent)


class _OneParser:
    """ClearML's parser changes a global while it works: two at once fail, or spoil later ones."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.lock = threading.Lock()


_one_parser = _OneParser()
