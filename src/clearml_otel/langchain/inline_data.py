"""Base64 in texts: found, measured and told by its size, so that files never travel in spans.

Pure functions on text. Ordinary text costs a look at every 256th character.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import Final

_LONG: Final = 512
"""Characters of base64 inside a text that are no word, path or identifier any more."""
SHORTEST_BASE64: Final = 256
"""Characters of a text that is base64 and nothing else; no shorter one is looked at."""
_STEP: Final = _LONG // 2  # a run of 512 holds one whole block that begins at a multiple of 256
_LETTERS: Final = r"[A-Za-z0-9+/_\-\r\n]"
_BLOCK: Final = re.compile(_LETTERS + f"{{{_STEP}}}")
# tried where a run begins only: from each of its letters it would take the square of its length
_RUN: Final = re.compile(f"(?<!{_LETTERS}){_LETTERS}{{{_LONG},}}={{0,2}}")
_ALONE: Final = re.compile(_LETTERS + f"{{{SHORTEST_BASE64},}}={{0,2}}\\s*")
_DATA_URL: Final = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,\s]*)*;base64,([A-Za-z0-9+/_\-]*(?:=|%3D){0,2})"
)
_SHORTEST_LINE: Final = 60  # MIME breaks at 76 characters, PEM at 64

_HASHED: Final = 4 * 1024 * 1024
"""Bytes of the largest file that is hashed in a callback."""
_SLICE: Final = 1 << 18  # a multiple of 4, as base64 is decoded in groups of four
_MOST_HASHES: Final = 256
_URL_SAFE: Final = str.maketrans("-_", "+/")

_hashes: dict[tuple[int, int, int], str | None] = {}


def without_base64(text: str) -> str:
    """The text with base64 and ``data:`` URLs replaced by how many bytes they hold.

    What is taken for base64: a ``data:`` URL that says so, a run of at least 512 of its
    characters inside a text, or a text of at least 256 that is nothing else; with small and
    capital letters and digits among them, as encoded files have.
    """
    if ";base64," in text:
        text = _DATA_URL.sub(_url_told, text)
    length = len(text)
    if length < SHORTEST_BASE64:
        return text
    if length < _LONG:
        return _told(text) if _ALONE.fullmatch(text) else text
    for start in range(0, length - _STEP + 1, _STEP):
        # a space is found sooner than a pattern is tried
        if text.find(" ", start, start + _STEP) < 0 and _BLOCK.match(text, start):
            return _RUN.sub(lambda found: _told(found[0]), text)
    return text


def base64_size(encoded: str, start: int = 0) -> int:
    """How many bytes a text's base64, which begins at ``start``, stands for; decodes nothing."""
    # counting takes twenty times as long as looking whether there is one
    breaks = encoded.count("\n") + encoded.count("\r") if "\n" in encoded else 0
    padding = encoded.count("=", max(start, len(encoded) - 8))
    return max(0, len(encoded) - start - breaks - padding) * 3 // 4


def sha256_of_base64(encoded: str, start: int = 0) -> str | None:
    """SHA-256 of the bytes, in hexadecimal; None for broken base64 and for more than 4 MiB.

    An agent sends the same image with every turn, so the last hashes are remembered, by the
    text's own hash, which Python keeps with it, and its length: no text is kept alive.
    """
    if base64_size(encoded, start) > _HASHED:
        return None
    key = len(encoded), start, hash(encoded)
    if key not in _hashes:
        if len(_hashes) >= _MOST_HASHES:
            _hashes.clear()
        _hashes[key] = _decoded_sha256(encoded[start:])
    return _hashes[key]


def sha256_of_bytes(data: bytes | bytearray) -> str | None:
    """SHA-256 in hexadecimal; None for more than 4 MiB."""
    return hashlib.sha256(data).hexdigest() if len(data) <= _HASHED else None


def _decoded_sha256(encoded: str) -> str | None:
    if "\n" in encoded:
        encoded = "".join(encoded.split())
    if "-" in encoded or "_" in encoded:
        encoded = encoded.translate(_URL_SAFE)
    encoded += "=" * (-len(encoded) % 4)
    digest, length = hashlib.sha256(), 0
    try:
        for start in range(0, len(encoded), _SLICE):
            part = binascii.a2b_base64(encoded[start : start + _SLICE])
            digest.update(part)
            length += len(part)
    except (binascii.Error, ValueError):
        return None
    # the decoder skips what is no base64
    return digest.hexdigest() if length == base64_size(encoded) else None


def _told(run: str) -> str:
    """The size of a run that looks like an encoded file; any other run as it is."""
    sample = run[:8_192]
    mixed = all(re.search(kind, sample) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    lines = sample.strip().count("\n") + 1
    if not mixed or (lines > 1 and len(sample) < lines * _SHORTEST_LINE):
        return run
    return f"<base64 of {base64_size(run.strip())} bytes>"


def _url_told(found: re.Match[str]) -> str:
    return f"<{found[1] or 'data'} of {base64_size(found[2].replace('%3D', '='))} bytes>"
