"""Images, audio, video and files by reference, from every provider's blocks."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage

from clearml_otel.langchain.messages import message_text
from clearml_otel.langchain.values import plain_json
from support.genai_schema import messages_validator
from support.message_json import input_messages

RAW = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
DATA = base64.b64encode(RAW).decode()
HASH = f"sha256:{hashlib.sha256(RAW).hexdigest()}"


def told(block: dict[str, Any], *, capture_bytes: bool = False) -> dict[str, Any]:
    text = plain_json(input_messages([HumanMessage([block])], capture_bytes=capture_bytes))
    assert capture_bytes or DATA[:20] not in text
    messages = json.loads(text)
    messages_validator.validate(messages)
    (part,) = messages[0]["parts"]
    return part


BLOBS = {
    "standard": {"type": "image", "base64": DATA, "mime_type": "image/png"},
    "v0": {"type": "image", "source_type": "base64", "data": DATA, "mime_type": "image/png"},
    "openai": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
    "openai-bare": {"type": "image_url", "image_url": f"data:image/png;base64,{DATA}"},
    "responses": {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"},
    "anthropic": {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": DATA},
    },
    "google": {"type": "media", "mime_type": "image/png", "data": DATA},
    "google-bytes": {"type": "media", "mime_type": "image/png", "data": RAW},
    "google-inline": {"inline_data": {"mime_type": "image/png", "data": DATA}},
    "gemini-rest": {"inlineData": {"mimeType": "image/png", "data": DATA}},
    "bedrock": {"image": {"format": "png", "source": {"bytes": RAW}}},
    "bedrock-typed": {"type": "image", "source": {"bytes": RAW}, "mime_type": "image/png"},
    "v1-wrapped": {
        "type": "non_standard",
        "value": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
    },
}


@pytest.mark.parametrize("block", BLOBS.values(), ids=BLOBS)
def test_images_inline(block: dict[str, Any]) -> None:
    assert told(block) == {
        "type": "blob",
        "modality": "image",
        "mime_type": "image/png",
        "size": len(RAW),
        "hash": HASH,
    }


@pytest.mark.parametrize("block", BLOBS.values(), ids=BLOBS)
def test_bytes_only_when_asked_for(block: dict[str, Any]) -> None:
    part = told(block, capture_bytes=True)
    assert base64.b64decode(part["content"]) == RAW
    assert (part["type"], part["modality"], part["mime_type"]) == ("blob", "image", "image/png")


@pytest.mark.parametrize(
    ("block", "modality", "mime"),
    [
        (
            {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
            "audio",
            "audio/wav",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}},
            "audio",
            "audio/mpeg",
        ),
        ({"type": "audio", "base64": DATA, "mime_type": "audio/ogg"}, "audio", "audio/ogg"),
        ({"type": "video", "base64": DATA, "mime_type": "video/mp4"}, "video", "video/mp4"),
        ({"video": {"format": "mp4", "source": {"bytes": RAW}}}, "video", "video/mp4"),
        ({"type": "media", "mime_type": "video/mp4", "data": DATA}, "video", "video/mp4"),
        (
            {"type": "file", "base64": DATA, "mime_type": "application/pdf"},
            "document",
            "application/pdf",
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{DATA}"},
            },
            "document",
            "application/pdf",
        ),
        (
            {"type": "input_file", "file_data": f"data:text/csv;base64,{DATA}"},
            "document",
            "text/csv",
        ),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": DATA},
            },
            "document",
            "application/pdf",
        ),
        (
            {"document": {"format": "pdf", "name": "a", "source": {"bytes": RAW}}},
            "document",
            "application/pdf",
        ),
        (
            {"type": "text-plain", "base64": DATA, "mime_type": "text/plain"},
            "document",
            "text/plain",
        ),
        ({"type": "image", "base64": DATA}, "image", None),
        ({"type": "file", "base64": DATA}, "file", None),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, dict) else None,
)
def test_other_files_inline(block: dict[str, Any], modality: str, mime: str | None) -> None:
    part = told(block)
    assert (part["type"], part["modality"], part.get("mime_type")) == ("blob", modality, mime)
    assert (part["size"], part["hash"]) == (len(RAW), HASH)


@pytest.mark.parametrize(
    ("block", "modality", "where"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://h/c.png"}},
            "image",
            "https://h/c.png",
        ),
        ({"type": "image", "url": "https://h/c.png"}, "image", "https://h/c.png"),
        (
            {"type": "image", "source_type": "url", "url": "https://h/c.png"},
            "image",
            "https://h/c.png",
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://h/c.png"}},
            "image",
            "https://h/c.png",
        ),
        ({"type": "media", "mime_type": "video/mp4", "file_uri": "gs://b/v"}, "video", "gs://b/v"),
        ({"file_data": {"mime_type": "video/mp4", "file_uri": "gs://b/v"}}, "video", "gs://b/v"),
        ({"type": "input_file", "file_url": "https://h/a.pdf"}, "file", "https://h/a.pdf"),
        (
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v"}}}},
            "video",
            "s3://b/v",
        ),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, dict) else None,
)
def test_files_elsewhere(block: dict[str, Any], modality: str, where: str) -> None:
    part = told(block)
    assert (part["type"], part["modality"], part["uri"]) == ("uri", modality, where)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "file", "file_id": "f-1"},
        {"type": "file", "source_type": "id", "id": "f-1"},
        {"type": "file", "file": {"file_id": "f-1"}},
        {"type": "image", "source": {"type": "file", "file_id": "f-1"}},
        {"type": "input_image", "file_id": "f-1"},
    ],
    ids=repr,
)
def test_files_that_the_provider_has(block: dict[str, Any]) -> None:
    part = told(block)
    assert (part["type"], part["file_id"]) == ("file", "f-1")


def test_a_blocks_own_id_is_no_files() -> None:
    assert told({"type": "image", "id": "lc_1", "url": "https://h/c.png"})["type"] == "uri"
    assert "file_id" not in told({"type": "image", "id": "lc_1"})


@pytest.mark.parametrize(
    "block",
    [
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Bears."},
        },
        {"type": "text-plain", "text": "Bears.", "mime_type": "text/plain"},
        {"type": "file", "source_type": "text", "text": "Bears.", "mime_type": "text/plain"},
    ],
    ids=["anthropic", "standard", "v0"],
)
def test_documents_of_text_keep_it_and_are_no_question(block: dict[str, Any]) -> None:
    part = told(block)
    assert (part["type"], part["content"]) == ("document", "Bears.")
    message = HumanMessage([{"type": "text", "text": "About?"}, block])
    assert message_text(message) == "About? [text/plain]"


def test_percent_encoded_data_urls() -> None:
    part = told({"type": "image_url", "image_url": "data:image/svg+xml,%3Csvg%2F%3E"})
    assert (part["type"], part["mime_type"], part["size"]) == ("blob", "image/svg+xml", 6)


def test_files_in_a_tools_answer() -> None:
    blocks = [{"type": "text", "text": "a chart"}, BLOBS["standard"]]
    message = ToolMessage(blocks, tool_call_id="c")
    text = plain_json(input_messages([message]))
    assert DATA[:20] not in text
    assert json.loads(text)[0]["parts"][0]["response"][1]["hash"] == HASH
    assert message_text(message) == f"a chart[image/png, {len(RAW)} bytes]"


def test_base64_where_no_block_says_so() -> None:
    call = {"name": "save", "args": {"blob": DATA, "note": f"see data:image/png;base64,{DATA}"}}
    history: list[Any] = [
        HumanMessage(f"![x](data:image/png;base64,{DATA})"),
        HumanMessage([{"type": "weird", "nested": {"deep": [DATA]}}]),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        ToolMessage(json.dumps({"png": DATA * 3}), tool_call_id="c"),
    ]
    text = plain_json(input_messages(history))
    assert DATA[:20] not in text
    messages_validator.validate(json.loads(text))


@pytest.mark.parametrize(
    "value", [None, 5, [], {}, "", object(), b""], ids=lambda value: type(value).__name__
)
@pytest.mark.parametrize("key", ["source", "image_url", "data", "base64", "file", "mime_type"])
def test_broken_blocks_are_told_as_they_are(key: str, value: Any) -> None:
    block = {"type": "image", key: value}
    messages = input_messages([HumanMessage.model_construct(content=[block], additional_kwargs={})])
    messages_validator.validate(json.loads(plain_json(messages)))


def test_large_files_are_not_kept_whole_even_when_asked_for() -> None:
    block = {"type": "image", "base64": base64.b64encode(bytes(600_000)).decode()}
    part = told(block, capture_bytes=True)
    assert part["size"] == 600_000
    assert "content" not in part
    small = {"type": "image", "base64": base64.b64encode(bytes(500_000)).decode()}
    assert base64.b64decode(told(small, capture_bytes=True)["content"]) == bytes(500_000)
