"""The filters, order, pages and projections that every `get_all` endpoint shares."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .errors import invalid_regex
from .store import Document

_TAG_FIELDS = ("tags", "system_tags")
_ALL = ("__$all", "__$and")
_ANY = ("__$any", "__$or")
_NOT = "__$not"


def select(
    documents: Iterable[Document], body: Document, *, list_fields: tuple[str, ...]
) -> list[Document]:
    """The documents a `get_all` body asks for, ordered, paged and projected."""
    if body.get("name"):
        _compiled(body["name"])
    found = [document for document in documents if _matches(document, body, list_fields)]
    for field in reversed(body.get("order_by") or []):
        path = field.removeprefix("-")
        found.sort(
            key=lambda document, path=path: _sort_key(value_at(document, path)),
            reverse=field.startswith("-"),
        )
    size = body.get("page_size") or body.get("size")
    if size:
        start = (body.get("page") or 0) * size
        found = found[start : start + size]
    return [project(document, body.get("only_fields")) for document in found]


def project(document: Document, only_fields: list[str] | None) -> Document:
    """The document cut down to `only_fields` (dots reach into objects and lists) and its id."""
    if not only_fields:
        return document
    cut: Document = {"id": document["id"]}
    for path in only_fields:
        _copy_path(document, cut, path.split("."))
    return cut


def value_at(document: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for name in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def _copy_path(source: Any, target: Document, path: list[str]) -> None:
    name, rest = path[0], path[1:]
    if not isinstance(source, dict) or name not in source:
        return
    value = source[name]
    if not rest:
        target[name] = value
    elif isinstance(value, list):
        cuts = target.setdefault(name, [{} for _ in value])
        for item, cut in zip(value, cuts, strict=True):
            _copy_path(item, cut, rest)
    else:
        _copy_path(value, target.setdefault(name, {}), rest)


def _sort_key(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if isinstance(value, int | float) else str(value))


def _matches(document: Document, body: Document, list_fields: tuple[str, ...]) -> bool:
    name = body.get("name")
    if name and not _search(name, document.get("name")):
        return False
    for field in list_fields:
        wanted = body.get(field)
        wanted = [wanted] if isinstance(wanted, str) else wanted
        if wanted and value_at(document, field) not in wanted:
            return False
    for field in _TAG_FIELDS:
        if body.get(field) and not _tags_match(document.get(field) or [], body[field]):
            return False
    text = body.get("search_text")
    if text and text.lower() not in str(document).lower():
        return False
    return _patterns_match(document, body)


def _patterns_match(document: Document, body: Document) -> bool:
    for key, combine in (("_any_", any), ("_all_", all)):
        condition = body.get(key)
        if condition and not combine(
            _search(condition["pattern"], value_at(document, field), re.IGNORECASE)
            for field in condition["fields"]
        ):
            return False
    return True


def _compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise invalid_regex(pattern, error) from error


def _search(pattern: str, value: Any, flags: int = 0) -> bool:
    values = value if isinstance(value, list) else [value]
    compiled = _compiled(pattern, flags)
    return any(compiled.search(str(item)) for item in values if item is not None)


def _tags_match(tags: list[str], wanted: list[str]) -> bool:
    """Any of the wanted tags, unless `__$all` asks for each; `-tag` and `__$not` exclude."""
    included: list[bool] = []
    need_all = negate = False
    for token in wanted:
        if token in _ALL or token in _ANY:
            need_all = token in _ALL
        elif token == _NOT:
            negate = True
        elif negate or token.startswith("-"):
            if (token if negate else token[1:]) in tags:
                return False
            negate = False
        else:
            included.append(token in tags)
    return not included or (all(included) if need_all else any(included))
