"""Parts of a ClearML task that a server and an offline session hold in the same form."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from clearml_otel.clearml.encoding import clean_text
from clearml_otel.clearml.naming import metric_name, path_part
from clearml_otel.clearml.transport import Artifact, Event, Media

_MAX_PREVIEW = 64_000


def artifact_entry(artifact: Artifact, uri: str) -> dict[str, Any]:
    """An artifact as a task lists it; ``uri`` is where its file is."""
    return {
        "key": clean_text(artifact.name),
        "type": artifact.type,
        "mode": "output",
        "uri": uri,
        "content_size": len(artifact.data),
        "hash": hashlib.sha256(artifact.data).hexdigest(),
        "timestamp": int(time.time()),
        "type_data": {
            "content_type": artifact.content_type,
            "preview": clean_text(artifact.preview)[:_MAX_PREVIEW],
        },
    }


def media_key(media: Media, task_folder: str) -> str:
    """Where a debug sample is stored below the files server or a session's ``data`` folder.

    The layout is that of ClearML's SDK; an import takes the task's id out of the path.
    """
    parts = (media.title, media.series, media.file_name)
    return "/".join((task_folder, "metrics", *map(path_part, parts)))


def media_event(media: Media, key: str, url: str) -> Event:
    """The event that shows a stored file as a debug sample."""
    return {
        "type": "training_debug_image",
        "metric": metric_name(media.title),
        "variant": metric_name(media.series),
        "iter": media.iteration,
        "timestamp": media.timestamp_ms,
        "key": key,
        "url": url,
    }


def configuration_item(name: str, text: str) -> dict[str, Any]:
    """A configuration object of a task."""
    return {"name": _key(name), "value": clean_text(text)}


def parameter_items(section: str, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Hyper-parameters of a task."""
    return [
        {
            "section": _key(section),
            "name": _key(name),
            "value": clean_text(value),
            "type": "str",
        }
        for name, value in values.items()
    ]


def _key(name: str) -> str:
    """A name that the server's database takes as that of a field: it fails at a null character."""
    return clean_text(name).replace("\0", "\ufffd")
