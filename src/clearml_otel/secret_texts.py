"""Secrets in names and texts: what may leave in no span, log or file."""

from __future__ import annotations

import functools
import re
from typing import Final

HIDDEN: Final = "**********"
_LONGEST_NAME: Final = 100

_SECRET: Final = re.compile(
    "apikey|secret(?!ar)|passw|authorization|credential|bearer|pwd$|jwt$|^(?:set)?cookies?$"
    "|(?:private|subscription|signing|encryption|ssh)key|(?:^|access|auth|session|refresh|security"
    "|api|id|bot|client|user|hf|hub|azuread)token$"
)
_SEPARATORS: Final = str.maketrans("", "", "-_. ")
_URL_USERINFO: Final = re.compile(r"""(?<=://)[^/\s?#"'<>]+(?=@)""")
_URL_SECRET: Final = re.compile(
    r"(?i)(?<=[?&])((?:[\w-]*[-_])?(?:(?:api|access|secret)?key|token|secret|password|sig(?:nature)?)=)"
    r"[^\s&#\"'<>]+"
)
# a header, a bearer's token, a key of the widespread form, a key that is assigned to its name, a
# JSON web token, and a password that is assigned: in quotes, or with a digit in it. What stands
# before a name is not looked at, and what follows not far: else a long text would take the square
# of its length
_TEXT_SECRET: Final = re.compile(
    r"""(?ix)
    (?=[abceprs]) (?:  # how each of these begins: to ask that first takes a third of the time
    (\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic|token|api-?key)\s+) [^\s"',;&]{6,}
    | (\bauthorization["']?\s*[:=]\s*["']?) [^\s"',;&]{16,}
    | (\bbearer\s+) [\w.~+/=-]{16,}
    | (\b) sk-[\w-]{16,}
    | ((?:(?:api|access|secret|subscription)[-_]?key|client[-_]?secret
          |(?:access|auth|refresh|session|security)[-_]?token)
       ["']?\s*[:=]\s*["']?) (?:eyJ[\w.-]{16,} | (?=[\w-]*\d) [\w+/-]{16,}={0,2})
    | (\b) eyJ[\w-]{8,300}\.eyJ[\w-]{8,}\.[\w-]+
    | (passw(?:or)?d["']?\s*[:=]\s*["']) [^"'\r\n]{4,}
    | (passw(?:or)?d["']?\s*[:=]\s*) (?=[^\s"',;&()<>\[\]{}]{0,60}\d) [^\s"',;&()<>\[\]{}]{6,}
    )"""
)


def is_secret_key(key: str) -> bool:
    """Whether a field of this name holds a secret."""
    # what is remembered stays small
    return _is_known_secret(key) if len(key) <= _LONGEST_NAME else _is_secret(key)


def _is_secret(key: str) -> bool:
    return bool(_SECRET.search(key.lower().translate(_SEPARATORS)))


_is_known_secret: Final = functools.lru_cache(1_024)(_is_secret)


def without_secrets(text: str) -> str:
    """A text with its credentials hidden: those in URLs, headers, and assigned to their names."""
    if "://" in text:
        text = _URL_SECRET.sub(rf"\g<1>{HIDDEN}", _URL_USERINFO.sub(HIDDEN, text))
    return _TEXT_SECRET.sub(_hidden, text) if names_secrets(text.lower()) else text


def names_secrets(lowered: str) -> bool:
    """Whether a text in lower case has a word that stands before a secret, or begins one.

    Many times faster than to look for the secret itself.
    """
    return (
        "key" in lowered
        or "token" in lowered
        or "secret" in lowered
        or "passw" in lowered
        or "authorization" in lowered
        or "bearer " in lowered
        or "sk-" in lowered
    )


def _hidden(match: re.Match[str]) -> str:
    return next((kept for kept in match.groups() if kept is not None), "") + HIDDEN
