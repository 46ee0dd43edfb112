"""Credentials and tokens, and the endpoints about the user and the server."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass, field

import jwt

from .endpoints import Call, endpoint
from .errors import unauthorized
from .store import COMPANY_ID, USER_ID, Document

SERVER_VERSION = "2.3.0"


@dataclass(slots=True)
class Accounts:
    """The one account of a double, and the tokens given out so far."""

    api_version: str
    access_key: str = field(default_factory=lambda: secrets.token_hex(10).upper())
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    token_seconds: int = 24 * 3600
    _signing_key: str = field(default_factory=lambda: secrets.token_hex(32))

    def login(self, authorization: str, expiration: str | None) -> Document:
        """The data of `auth.login`.

        Raises:
            ApiError: 401 when the header has neither the right pair nor a valid token.
        """
        kind, _, value = authorization.partition(" ")
        if kind == "Basic":
            self._check_pair(value)
        else:
            self.check_token(authorization)
        now = int(time.time())
        claims = {
            "identity": {"user": USER_ID, "company": COMPANY_ID},
            "api_version": self.api_version,
            "server_version": SERVER_VERSION,
            "server_build": "double",
            "feature_set": "basic",
            "env": "double",
            "iat": now,
            "exp": now + int(expiration or self.token_seconds),
            "jti": secrets.token_hex(8),
        }
        return {"token": jwt.encode(claims, self._signing_key, algorithm="HS256")}

    def check_token(self, authorization: str) -> None:
        """Raises ApiError 401 unless the header has a bearer token of this double."""
        kind, _, token = authorization.partition(" ")
        if not authorization:
            raise unauthorized(20, "missing credentials")
        if kind != "Bearer":
            raise unauthorized(10, "bad authentication header type")
        try:
            jwt.decode(token, self._signing_key, algorithms=["HS256"])
        except jwt.InvalidTokenError as error:
            raise unauthorized(30, f"invalid jwt token: {error}") from error

    def revoke_tokens(self) -> None:
        """Make every token given out so far invalid; a new login gives a valid one."""
        self._signing_key = secrets.token_hex(32)

    def _check_pair(self, encoded: str) -> None:
        try:
            pair = base64.b64decode(encoded, validate=True).decode("latin-1")
        except ValueError as error:
            raise unauthorized(21, f"malformed credentials: {error}") from error
        if pair != f"{self.access_key}:{self.secret_key}":
            raise unauthorized(22, "failed to locate provided credentials")


@endpoint("users.get_current_user")
def get_current_user(call: Call) -> Document:
    company = {"id": COMPANY_ID, "name": "Double"}
    return {"user": {"id": USER_ID, "name": "Double", "role": "admin", "company": company}}


@endpoint("server.info")
def server_info(call: Call) -> Document:
    return {"version": SERVER_VERSION, "build": "double", "commit": "double"}
