"""What of a run's content goes on its span, and in which form.

Content is what people and models said: prompts, answers, inputs, outputs, documents, the text of
errors. Names, counters, usage and timings are none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, cast

from clearml_otel import attributes as names
from clearml_otel.capture import SPAN_ONLY, Capture, note_redaction
from clearml_otel.diagnostics import report
from clearml_otel.langchain.guard import report_error
from clearml_otel.langchain.mappings import word
from clearml_otel.langchain.values import CUT_MARK, MAX_TEXT, Json, clean_text, plain_json

Redact: TypeAlias = "Callable[[str, str], str]"
"""Takes a text and where it goes, an attribute's name; gives the text that may be kept."""

SHORTEST_LIMIT: Final = 256
"""Characters that ``max_length`` has at least; no shorter text was cut."""
UNREDACTED: Final = "[not kept: redact failed]"
_ROOM_FOR_MARK: Final = 64
_IN_EVENTS: Final = (names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, names.TOOL_DEFINITIONS)
# what the conventions' messages and their parts say beside their content
_MESSAGE_FORM: Final = frozenset({"role", "finish_reason"})
_PART_FORM: Final = frozenset({"type", "id", "name", "modality", "mime_type", "hash"})


class Content:
    """Captures content, or leaves it out.

    Args:
        capture: where content goes: on spans, in log events, both or nowhere.
        redact: applied to every text of it, in JSON to every string; one that raises or gives no
            string costs the text, never the run.
        max_length: characters of one text; a longer one is cut and says how long it was.
    """

    def __init__(
        self, capture: Capture = SPAN_ONLY, redact: Redact | None = None, max_length: int = MAX_TEXT
    ) -> None:
        self.on_spans = capture.on_spans
        self.in_events = capture.in_events
        self.redacts = redact is not None
        if self.redacts:
            note_redaction()
        self._redact = redact
        self._max_length = max(SHORTEST_LIMIT, min(max_length, MAX_TEXT))
        # what was cut to that length already says its own length behind it
        self._longest = self._max_length + _ROOM_FOR_MARK

    def put(
        self,
        attributes: dict[str, Any],
        where: str,
        render: Callable[[Any], str | None],
        value: object,
    ) -> None:
        """Add one attribute of content, where content is captured.

        Args:
            attributes: of a span; gets ``where``, also where only events are to have it: see
                :meth:`set_aside`.
            where: the attribute's name.
            render: gives the text, or JSON, of ``value``, or None where there is nothing to tell.
                Where it raises, the attribute is missing and the log says so once. One that was cut
                for its length is listed in ``langchain.truncated``.
            value: what a callback was given.
        """
        if not (self.on_spans or (self.in_events and where in _IN_EVENTS)):
            return
        try:
            text = render(value)
            if text is None:
                return
            if self._redact is None and len(text) <= SHORTEST_LIMIT:
                attributes[where] = text
            else:
                self._keep(attributes, where, text)
        except Exception as error:  # noqa: BLE001 - an application's objects may raise anything
            report_error(where, error)

    def set_aside(self, attributes: dict[str, Any]) -> dict[str, str]:
        """Take out of a span's attributes what only log events are to have."""
        if self.on_spans:
            return {}
        return {key: attributes.pop(key) for key in _IN_EVENTS if key in attributes}

    def label(self, text: str, where: str) -> str:
        """A tag or a value of the metadata, which are kept without content too, but redacted."""
        return text if self._redact is None else self._kept(text, where)

    def labels(self, items: Iterable[object], where: str) -> list[str]:
        """Several, of any type; see :meth:`label`."""
        texts = list(map(word, items))
        return texts if self._redact is None else [self._kept(text, where) for text in texts]

    def shown(self, text: str, where: str) -> str:
        """A text, or JSON, as it may be kept."""
        if self._redact is None and len(text) <= self._longest:
            return text
        if text[:1] in {"{", "["}:
            try:
                told: Json = json.loads(text)
            except (ValueError, RecursionError):
                return self._kept(text, where)
            keep = self._kept_messages if where in _IN_EVENTS else self._kept_json
            return plain_json(keep(told, where))
        return self._kept(text, where)

    def _keep(self, attributes: dict[str, Any], where: str, text: str) -> None:
        text = attributes[where] = self.shown(text, where)
        if len(text) > SHORTEST_LIMIT and CUT_MARK in text:
            attributes.setdefault(names.TRUNCATED, []).append(where)

    def _kept(self, text: str, where: str) -> str:
        if self._redact is not None and text:
            text = clean_text(_redacted(self._redact, text, where))
        return clean_text(text, self._max_length) if len(text) > self._longest else text

    def _kept_json(self, value: Json, where: str) -> Json:
        if isinstance(value, str):
            return self._kept(value, where)
        if isinstance(value, list):
            return [self._kept_json(item, where) for item in value]
        if isinstance(value, dict):
            return {key: self._kept_json(item, where) for key, item in value.items()}
        return value

    def _kept_messages(self, messages: Json, where: str) -> Json:
        """Messages, or the definitions of tools, whose form is no content."""
        if not isinstance(messages, list):
            return self._kept_json(messages, where)
        return [
            self._kept_message(message, where)
            if isinstance(message, dict) and isinstance(message.get("parts"), list)
            else self._kept_part(message, where)
            for message in messages
        ]

    def _kept_message(self, message: dict[str, Json], where: str) -> Json:
        kept: dict[str, Json] = {}
        for key, item in message.items():
            if key == "parts" and isinstance(item, list):
                kept[key] = [self._kept_part(part, where) for part in item]
            else:
                kept[key] = item if key in _MESSAGE_FORM else self._kept_json(item, where)
        return kept

    def _kept_part(self, part: Json, where: str) -> Json:
        if not isinstance(part, dict):
            return self._kept_json(part, where)
        # the name of a tool is none of its content, that of a file is
        form = _PART_FORM - {"name"} if "modality" in part else _PART_FORM
        kept: dict[str, Json] = {}
        for key, item in part.items():
            if key in form and isinstance(item, str):
                kept[key] = item
            elif key == "response" and isinstance(item, list):
                kept[key] = [self._kept_block(block, where) for block in item]
            else:
                kept[key] = self._kept_json(item, where)
        return kept

    def _kept_block(self, block: Json, where: str) -> Json:
        """What a tool answered: its own data, among which files are told as parts."""
        is_file = isinstance(block, dict) and "modality" in block
        return self._kept_part(block, where) if is_file else self._kept_json(block, where)


def _redacted(redact: Redact, text: str, where: str) -> str:
    problem: str
    try:
        kept = cast("object", redact(text, where))
        if isinstance(kept, str):
            return kept
        problem = f"gave a {type(kept).__name__}, which is no str"
    except Exception as error:  # noqa: BLE001 - the application's function; costs its text
        problem = f"raised {type(error).__name__}"
    report(
        "content.redact",
        f"redact {problem} (for {where}): texts are replaced by {UNREDACTED!r} where it does",
    )
    return UNREDACTED
