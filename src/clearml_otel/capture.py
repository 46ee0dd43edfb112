"""Where the content of prompts and answers goes: on spans, in log events, both or nowhere.

``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` is OpenTelemetry's switch for every GenAI
instrumentation. Unset, content goes on the spans: the records are made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clearml_otel.diagnostics import report

VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(frozen=True, slots=True)
class Capture:
    """Where content goes.

    Args:
        on_spans: as attributes of the runs' spans.
        in_events: in ``gen_ai.client.inference.operation.details`` log events.
    """

    on_spans: bool
    in_events: bool

    def __bool__(self) -> bool:
        """Whether content is captured at all."""
        return self.on_spans or self.in_events


SPAN_ONLY: Final = Capture(on_spans=True, in_events=False)
NO_CONTENT: Final = Capture(on_spans=False, in_events=False)
_MODES: Final[Mapping[str, Capture]] = {
    "no_content": NO_CONTENT,
    "span_only": SPAN_ONLY,
    "event_only": Capture(on_spans=False, in_events=True),
    "span_and_event": Capture(on_spans=True, in_events=True),
    # what the variable held before it had modes
    **dict.fromkeys(("true", "yes", "on", "1"), SPAN_ONLY),
    **dict.fromkeys(("false", "no", "off", "0"), NO_CONTENT),
}
ALLOWED: Final = "NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT, true or false"

_redacting = False


def note_redaction() -> None:
    """Say that the application redacts what it has recorded."""
    global _redacting
    _redacting = True


def redacts() -> bool:
    """Whether the application redacts: then no text is kept that its function has not seen."""
    return _redacting


def is_mode(word: str) -> bool:
    """Whether a word says where content goes."""
    return word.strip().lower() in _MODES


def capture_from(value: Capture | bool | str | None, environ: Mapping[str, str]) -> Capture:
    """Where content goes: the keyword before the variable before the default, which is the spans.

    Args:
        value: the keyword: a mode's name in upper or lower case, True for the spans, False for
            nowhere, None or an empty text where it is not given.
        environ: the environment variables.

    Returns:
        The mode; no content where the given one is unknown, as whoever wrote it wanted something
        else than the default, with a warning that names the modes.
    """
    if isinstance(value, Capture):
        return value
    given: object = value
    source = "capture_content"
    if given is None or given == "":
        given, source = environ.get(VARIABLE), VARIABLE
    word = "" if given is None else str(given).strip().lower()
    if not word:
        return SPAN_ONLY
    mode = _MODES.get(word)
    if mode is None:
        report(
            "capture.unknown",
            f"clearml-otel: {source}={given!r} is none of {ALLOWED}; no content is captured until "
            "it is",
        )
        return NO_CONTENT
    return mode
