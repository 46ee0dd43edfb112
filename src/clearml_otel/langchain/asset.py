"""A LangChain asset as a JSON file: what was asked, of which model, with which parameters."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from langchain_core.load import dumpd
from langchain_core.load.serializable import Serializable
from pydantic import BaseModel

from clearml_otel.langchain.values import Json, clean_text, plain, safe_str

_SAVERS: Final = ("save", "save_agent")
_LEFT_OUT: Final = frozenset({"callbacks", "callback_manager", "client", "async_client"})
_DEEPEST: Final = 8
_SHOWN_NODES: Final = 3
"""Input, the thing itself and output: a graph of no more says nothing."""


class AssetError(ValueError):
    """The asset cannot be written down; the message is one line."""


@dataclass(frozen=True, slots=True)
class AssetFile:
    """The asset's file: UTF-8 JSON, with the Mermaid drawing of its graph where there is one."""

    data: bytes
    class_name: str


def dump_asset(asset: object) -> AssetFile:
    """Write an asset down: a model, chain, agent, graph or anything else of LangChain's.

    What the asset's own ``save`` writes is preferred, as on the page; most of today's assets have
    none, and are written as ``langchain_core.load.dumpd`` says. Secrets are hidden in either.

    Raises:
        AssetError: where neither works.
    """
    with warnings.catch_warnings():
        # `save` is deprecated on some classes, and draws on deprecated fields on others
        warnings.simplefilter("ignore")
        try:
            fields = _saved(asset) or _dumped(asset)
            drawing = _mermaid(asset)
        except Exception as error:
            raise AssetError(
                f"{type(asset).__name__} has no working save() and langchain_core.load.dumpd fails"
                f" on it: {type(error).__name__}: {' '.join(safe_str(error).split())[:200]}"
            ) from error
    if drawing:
        fields["graph_mermaid"] = drawing
    text = json.dumps(fields, ensure_ascii=False, indent=2)
    return AssetFile(text.encode("utf-8"), type(asset).__name__)


def _saved(asset: object) -> dict[str, Json] | None:
    for name in _SAVERS:
        save = getattr(asset, name, None)
        if callable(save):
            fields = _try_save(cast("Callable[[Path], object]", save))
            if fields is not None:
                return fields
    return None


def _try_save(save: Callable[[Path], object]) -> dict[str, Json] | None:
    with tempfile.TemporaryDirectory(prefix="clearml-otel-") as folder:
        path = Path(folder) / "asset.json"
        try:
            save(path)
            saved = plain(json.loads(path.read_text("utf-8")))
        except Exception:  # noqa: BLE001 - many classes inherit a `save` that cannot work
            return None
    return saved if isinstance(saved, dict) else None


def _dumped(asset: object) -> dict[str, Json]:
    dumped = plain(_described(asset, 0))
    if not isinstance(dumped, dict):
        raise TypeError("nothing that LangChain can write down")
    return dumped


def _described(value: Any, depth: int) -> Any:
    """What ``dumpd`` says, and of what it cannot serialise the class and its fields.

    Agents and graphs are no serialisable classes, but hold models and prompts that are.
    """
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Serializable) and value.is_lc_serializable():
        return _without_reprs(dumpd(value))
    kind = cast("type[object]", type(value))
    if depth >= _DEEPEST:
        return f"<{kind.__name__}>"
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value)
        return {str(key): _described(item, depth + 1) for key, item in items.items()}
    if isinstance(value, (list, tuple)):
        return [_described(item, depth + 1) for item in cast("list[Any]", value)]
    described: dict[str, Any] = {"class": f"{kind.__module__}.{kind.__qualname__}"}
    for name, item in _model_fields(value):
        if name not in _LEFT_OUT and item not in (None, [], {}, ""):
            described[name] = _described(item, depth + 1)
    return described


def _model_fields(value: object) -> list[tuple[str, Any]]:
    if not isinstance(value, BaseModel):
        return []
    names = list(type(value).model_fields)
    return [(name, getattr(value, name)) for name in names]


def _without_reprs(value: Any) -> Any:
    """LangChain writes the ``repr`` of what it cannot serialise, which may hold any secret."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        opaque = fields.get("type") == "not_implemented"
        return {
            key: _without_reprs(item)
            for key, item in fields.items()
            if not (opaque and key == "repr")
        }
    if isinstance(value, list):
        return [_without_reprs(item) for item in cast("list[Any]", value)]
    return value


def _mermaid(asset: object) -> str | None:
    get_graph = getattr(asset, "get_graph", None)
    if not callable(get_graph):
        return None
    try:
        graph = cast("Any", get_graph())
        return clean_text(graph.draw_mermaid()) if len(graph.nodes) > _SHOWN_NODES else None
    except Exception:  # noqa: BLE001 - a drawing is worth no failure
        return None
