"""Images, audio, video and files of messages by reference: kind, type, size, hash.

Their form is that of the GenAI conventions' ``uri``, ``file`` and ``blob`` parts, whatever
provider's block they come from. Bytes are left out unless they are asked for; a ``blob`` says
then only its ``size`` in bytes and, where it is cheap enough, its ``hash``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from clearml_otel.langchain.inline_data import base64_size, sha256_of_base64, sha256_of_bytes
from clearml_otel.langchain.values import MAX_TOTAL, Json, clean_text, plain, to_text

Part: TypeAlias = "dict[str, Json]"

_KINDS: Final = frozenset(
    {
        "image",
        "image_url",
        "input_image",
        "audio",
        "audio_url",
        "input_audio",
        "video",
        "video_url",
        "input_video",
        "file",
        "input_file",
        "document",
        "media",
        "container_upload",
        "text-plain",
    }
)
_TYPELESS: Final = (
    "image",
    "image_url",
    "audio",
    "video",
    "document",
    "inline_data",
    "inlineData",
    "file_data",
    "fileData",
)
"""Keys of blocks without a type, as Bedrock's and Google's are."""
_INNER_KEYS: Final = ("source", "file", *_TYPELESS, "input_audio", "s3Location")
_URL_KEYS: Final = (
    "url",
    "uri",
    "image_url",
    "audio_url",
    "video_url",
    "file_url",
    "file_uri",
    "fileUri",
)
_DATA_KEYS: Final = ("data", "base64", "bytes", "file_data", "b64_json")
_MIME_KEYS: Final = ("mime_type", "media_type", "mimeType", "mediaType", "format")
_NAME_KEYS: Final = ("filename", "file_name", "name", "title")
_MODALITIES: Final = frozenset({"image", "audio", "video", "document"})
_FORMATS: Final[Mapping[str, str]] = {
    "jpg": "jpeg",
    "mp3": "mpeg",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
}
_DEEPEST: Final = 4
_LARGEST_CONTENT: Final = MAX_TOTAL // 2
"""Bytes of the largest file whose content is kept; in base64 they take two thirds of a value."""


def media_kind(block: Mapping[str, Any]) -> str | None:
    """Of what kind a content block is that holds a file; None for any other block."""
    kind = block.get("type")
    if kind is None:
        return next((key for key in _TYPELESS if block.get(key)), None)
    return kind if isinstance(kind, str) and kind in _KINDS else None


def media_part(kind: str, block: Mapping[str, Any], *, capture_bytes: bool = False) -> Part:
    """A file by reference.

    Args:
        kind: such as ``image`` or ``input_file``; see :func:`media_kind`.
        block: LangChain's, OpenAI's, Anthropic's, Google's or Bedrock's content block.
        capture_bytes: whether a ``blob`` has its bytes, base64-encoded, as ``content``; one of more
            than half a MiB has none.
    """
    fields = _flattened(kind, block)
    url = _first(fields, _URL_KEYS, str)
    data = _first(fields, _DATA_KEYS, (str, bytes, bytearray))
    mime = _first(fields, _MIME_KEYS, str)
    if url is not None and url.startswith("data:"):
        data, url = url, None
    start = 0
    if isinstance(data, str) and data.startswith("data:"):
        mime, data, start = _of_data_url(data, mime)
    part = _described(kind, mime, fields)
    if data is not None:
        if isinstance(data, str) and fields.get("type") == "text":
            return part | {"type": "document", "content": clean_text(data)}
        return part | _blob(data, start, capture_bytes)
    if url is not None:
        return part | {"type": "uri", "uri": clean_text(url, 2_000)}
    if file_id := _file_id(fields):
        return part | {"type": "file", "file_id": clean_text(file_id, 2_000)}
    for key in ("text", "content"):
        if fields.get(key):
            return part | {"type": "document", "content": plain(fields[key])}
    return part | {"type": "media"}  # nothing says where it is


def bytes_part(data: bytes | bytearray) -> Part:
    """Bytes of unknown kind by reference."""
    return {"modality": "file"} | _blob(data, 0, capture_bytes=False)


def media_mark(part: Mapping[str, Any]) -> str:
    """A file in a readable text, in brackets."""
    size = part.get("size")
    where = part.get("uri") or part.get("file_id") or (f"{size} bytes" if size else None)
    what = part.get("mime_type") or part.get("modality") or part.get("type")
    return f"[{what}, {where}]" if where else f"[{what}]"


def _flattened(kind: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """A block's fields with those of the objects in it that providers put them into."""
    fields = dict(block)
    inner = block
    for _ in range(_DEEPEST):
        inner = _first(inner, (kind, *_INNER_KEYS), Mapping)
        if inner is None:
            break
        fields.update(inner)
    return fields


def _first(fields: Mapping[str, Any], keys: tuple[str, ...], kinds: Any) -> Any:
    return next((fields[key] for key in keys if isinstance(fields.get(key), kinds)), None)


def _file_id(fields: Mapping[str, Any]) -> str | None:
    # a standard block's own id is no file's
    keys = ("id", "file_id") if fields.get("source_type") == "id" else ("file_id", "fileId")
    found = next((fields[key] for key in keys if fields.get(key)), None)
    return None if found is None else to_text(found)


def _described(kind: str, mime: str | None, fields: Mapping[str, Any]) -> Part:
    modality = kind.removesuffix("_url").removeprefix("input_")
    if mime and "/" not in mime:
        mime = _FORMATS.get(mime, mime)
        if "/" not in mime:
            mime = f"{modality if modality in _MODALITIES - {'document'} else 'application'}/{mime}"
    if modality not in _MODALITIES:
        family = mime.partition("/")[0] if mime else ""
        modality = family if family in _MODALITIES else "document" if mime else "file"
    part: Part = {"modality": modality}
    if mime:
        part["mime_type"] = clean_text(mime, 200)
    if name := _first(fields, _NAME_KEYS, str):
        part["name"] = clean_text(name, 500)
    if isinstance(transcript := fields.get("transcript"), str):
        part["transcript"] = clean_text(transcript)
    return part


def _of_data_url(url: str, mime: str | None) -> tuple[str | None, str | bytes, int]:
    """The type of a ``data:`` URL, and its data: its text and where base64 begins, or bytes."""
    comma = url.find(",")
    head = url[: comma if comma >= 0 else 0]
    said = head[len("data:") :].partition(";")[0] or mime
    if head.endswith(";base64"):
        return said, url, comma + 1
    return said, unquote_to_bytes(url[comma + 1 :]), 0


def _blob(data: str | bytes | bytearray, start: int, capture_bytes: bool) -> Part:
    if isinstance(data, str):
        size, digest = base64_size(data, start), sha256_of_base64(data, start)
    else:
        size, digest = len(data), sha256_of_bytes(data)
    part: Part = {"type": "blob", "size": size}
    if digest is not None:
        part["hash"] = f"sha256:{digest}"
    if capture_bytes and size <= _LARGEST_CONTENT:
        in_base64 = data[start:] if isinstance(data, str) else base64.b64encode(data).decode()
        part["content"] = in_base64
    return part
