"""What a flush says of the part that it ends, as the spool keeps it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from clearml_otel.clearml.transport import ModelUpload
from clearml_otel.pipeline.spool_file import NamedPart


def named_part(name: str | None, model: ModelUpload | None) -> NamedPart:
    """A session's name and the model that goes with it, to be kept."""
    if model is None:
        return NamedPart(name)
    return NamedPart(name, {**asdict(model), "data": None}, model.data)


def model_of(named: NamedPart) -> ModelUpload | None:
    """The model that was kept."""
    if named.model is None:
        return None
    given: dict[str, Any] = {**named.model, "data": named.data}
    given["tags"] = tuple(given.get("tags") or ())
    return ModelUpload(**given)
