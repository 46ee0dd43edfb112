"""Retrieved documents as bounded JSON: id, content, source, score.

``id`` and ``score`` are those of the GenAI conventions' ``gen_ai.retrieval.documents``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from langchain_core.documents import Document

from clearml_otel.langchain.values import (
    Json,
    clean_text,
    is_empty,
    plain,
    plain_json,
    to_json,
    to_text,
)

_MOST: Final = 100
"""Documents of one retrieval; the rest is counted."""
_LONGEST: Final = 16_384
"""Characters of one document's content."""
_ALL: Final = 262_144
"""Characters of all contents together."""
_SCORE_KEYS: Final = (
    "score",
    "relevance_score",
    "_score",
    "similarity",
    "similarity_score",
    "_relevance_score",
    "rerank_score",
    "@search.score",
    "distance",
    "_distance",
)
_SOURCE_KEYS: Final = (
    "source",
    "url",
    "path",
    "file_path",
    "filepath",
    "file_name",
    "filename",
    "uri",
    "link",
)
_ID_KEYS: Final = ("id", "_id", "doc_id", "document_id", "chunk_id")


def documents_json(documents: object) -> str:
    """What a retriever found, as a JSON array.

    Args:
        documents: LangChain's documents, dictionaries of them, or ``(document, score)`` pairs;
            anything else is shown as it is.
    """
    if not isinstance(documents, (list, tuple)):
        return to_json(documents)
    found = cast("Sequence[object]", documents)
    left = _ALL
    rows: list[Json] = []
    for document in found[:_MOST]:
        row = document_fields(document, min(_LONGEST, left))
        left = max(0, left - len(str(row.get("content", ""))))
        rows.append(row)
    if len(found) > _MOST:
        rows.append({"content": f"… {len(found) - _MOST} more"})
    return plain_json(rows)


def is_documents(items: Sequence[object]) -> bool:
    """Whether a list is one of documents, with or without their scores."""
    first = items[0]
    if isinstance(first, tuple) and first:
        first = cast("Sequence[object]", first)[0]
    return isinstance(first, Document)


def document_fields(document: object, longest: int = _LONGEST) -> dict[str, Json]:
    """One document's id, content, source and score, those of them that are known."""
    pair = cast("tuple[object, ...]", document) if isinstance(document, tuple) else (document,)
    score = pair[1] if len(pair) == 2 else None
    content, given_id, metadata = _parts_of(pair[0] if len(pair) in {1, 2} else pair)
    row: dict[str, Json] = {}
    if (identifier := given_id or _known(metadata, _ID_KEYS)) is not None:
        row["id"] = to_text(identifier)
    row["content"] = clean_text(content, longest) if isinstance(content, str) else plain(content)
    if (source := _known(metadata, _SOURCE_KEYS)) is not None:
        row["source"] = clean_text(to_text(source), 2_000)
    number = _number(_known(metadata, _SCORE_KEYS) if score is None else score)
    if number is not None:
        row["score"] = number
    return row


def _parts_of(document: object) -> tuple[object, object, Mapping[str, Any]]:
    """The content, the id and the metadata."""
    if isinstance(document, Document):
        metadata = cast("Mapping[str, Any]", document.metadata)  # pyright: ignore[reportUnknownMemberType]  # dict of anything
        return document.page_content, getattr(document, "id", None), metadata
    if isinstance(document, Mapping):
        fields = cast("Mapping[str, Any]", document)
        if "page_content" in fields:
            within: object = fields.get("metadata")
            metadata = cast("Mapping[str, Any]", within) if isinstance(within, Mapping) else fields
            return fields["page_content"], fields.get("id"), metadata
        return fields, None, {}
    return document, None, {}


def _known(metadata: Mapping[str, Any], keys: tuple[str, ...]) -> object:
    for key in keys:
        value = metadata.get(key)
        if is_empty(value) or (isinstance(value, str) and not value):
            continue
        # a row of a table has NaN where it has nothing
        if not (isinstance(value, float) and math.isnan(value)):
            return value
    return None


def _number(value: object) -> float | int | None:
    """A score as the number that the conventions want; NumPy's and texts of numbers too."""
    if value is None or isinstance(value, bool):
        return None
    if type(value) is int or type(value) is float:
        return value if math.isfinite(value) else None
    try:
        number = float(value)  # pyright: ignore[reportArgumentType]  # what cannot be one says so
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
