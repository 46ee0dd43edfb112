"""With which parameters models were asked, in short: what two experiments are compared by."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Final, cast

from clearml_otel import attributes as names
from clearml_otel.spans import SpanRecord

_MODEL: Final = names.REQUEST_MODEL.removeprefix(names.REQUEST_PREFIX)
# they are of one call, not of the way in which models are used
_OF_ONE_CALL: Final = frozenset({names.REQUEST_STREAM, names.REQUEST_PREVIOUS_RESPONSE_ID})
_MOST_VALUES: Final = 20
_MOST_PARAMETERS: Final = 50
_LONGEST_VALUE: Final = 200


class RequestParameters:
    """Gathers the ``gen_ai.request.*`` attributes of spans, whoever made them; bounded."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, set[str]]] = {}
        self._models: set[str] = set()

    def add(self, spans: Iterable[SpanRecord]) -> None:
        """Take the parameters of spans; those known already change nothing."""
        for span in spans:
            model = span.attributes.get(names.REQUEST_MODEL)
            if isinstance(model, str) and (model in self._models or not self._full(self._models)):
                self._models.add(model)
                for key, value in span.attributes.items():
                    if key.startswith(names.REQUEST_PREFIX) and key not in _OF_ONE_CALL:
                        self._take(model, key[len(names.REQUEST_PREFIX) :], _as_text(value))

    def as_text(self) -> dict[str, str]:
        """Each parameter's value; of several, all of them, each with the models it was given to."""
        return {name: self._text(name) for name in sorted(self._found)}

    def _take(self, model: str, name: str, value: str) -> None:
        if name not in self._found and len(self._found) >= _MOST_PARAMETERS:
            return
        values = self._found.setdefault(name, {})
        if value in values or not self._full(values):
            values.setdefault(value, set()).add(model)

    def _text(self, name: str) -> str:
        values = self._found[name]
        if name == _MODEL or len(values) == 1:
            text = ", ".join(sorted(values))
        else:
            text = ", ".join(f"{v} ({', '.join(sorted(values[v]))})" for v in sorted(values))
        return f"{text}, …" if self._full(values) else text

    @staticmethod
    def _full(values: Collection[str]) -> bool:
        return len(values) >= _MOST_VALUES


def _as_text(value: object) -> str:
    several = isinstance(value, (tuple, list))
    text = json.dumps(list(cast("tuple[object]", value))) if several else str(value)
    return text[:_LONGEST_VALUE]
