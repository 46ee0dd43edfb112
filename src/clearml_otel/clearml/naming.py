"""Names from data made safe: as ClearML metric names and as parts of paths and URLs."""

from __future__ import annotations

import hashlib
import os
import re

from clearml_otel.clearml.encoding import clean_text

_MAX_METRIC = 250
_MAX_PART = 80
_MAX_SUFFIX = 12
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def metric_name(text: str) -> str:
    """A plot's title or series, short enough for ClearML's search index.

    Two long names that differ anywhere stay different.
    """
    name = clean_text(text)
    return name if len(name) <= _MAX_METRIC else f"{name[:_MAX_METRIC]}… {_digest(text)}"


def path_part(text: str) -> str:
    """One part of a path or URL: ASCII letters, digits, ``.``, ``_`` and ``-``, never hidden.

    Names that had to be changed carry a digest, so that two different names never meet.
    """
    safe = _UNSAFE.sub("_", text).strip(".") or "_"
    if safe == text and len(safe) <= _MAX_PART:
        return safe
    stem, suffix = os.path.splitext(safe)
    if len(suffix) > _MAX_SUFFIX:
        stem, suffix = safe, ""
    return f"{stem[:_MAX_PART]}-{_digest(text)}{suffix}"


def project_path(project_name: str, task_name: str, task_id: str) -> str:
    """The folder of a task's files, as ClearML lays them out: ``project/name.id``."""
    project = "/".join(path_part(part) for part in project_name.split("/") if part.strip())
    return f"{project or '_'}/{path_part(task_name)}.{task_id}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
