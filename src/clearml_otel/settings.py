"""All settings: keyword, else ``OTEL_EXPORTER_CLEARML_*`` variable, else default."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

from clearml_otel.capture import ALLOWED, capture_from, is_mode
from clearml_otel.diagnostics import report
from clearml_otel.readability import ENGINE, ENGINES

ENV_PREFIX: Final = "OTEL_EXPORTER_CLEARML_"
TASK_TYPES: Final = (
    "training",
    "testing",
    "inference",
    "data_processing",
    "application",
    "monitor",
    "controller",
    "optimizer",
    "service",
    "qc",
    "custom",
)
TASKS_PER: Final = ("process", "session", "service")
_SHORTEST_NAME: Final = 3
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})
_LARGEST_TIMEOUT_S: Final = 3_600.0
_LARGEST_COUNT: Final = 1_000_000_000

Problem: TypeAlias = "tuple[str, str]"


class SettingsError(ValueError):
    """A setting that cannot be used; the message is one line with what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How traces are turned into ClearML tables.

    Each field can be given as a keyword or as ``OTEL_EXPORTER_CLEARML_<FIELD>``.

    Args:
        project_name: the ClearML project, at least 3 characters.
        task_name: the task's name, at least 3 characters; the program's name by default.
        task_type: one of ClearML's task types.
        tags: the task's tags; comma-separated in the variable.
        task_per: what has a ClearML task of its own: a ``process``; each ``session``, by its name,
            or each ``service``, by the ``service.name`` of its resource. Such a task is called
            ``task_name - name``; what names none goes to ``task_name`` itself. Where the
            application has a ``Task.current_task()``, everything goes to that one.
        session_name: the table series of runs that name no session of their own.
        trace_url: the address of a trace in another backend, such as
            ``https://jaeger.example/trace/{trace_id}``; a column of the runs table links there.
        complexity_metrics: compute readability metrics of every answer.
        readability: the engine that computes them: ``seed`` or ``textstat``.
        readability_max_words: words of an answer that is measured in its callback; longer ones are
            measured in the export's worker.
        evaluation_events: also emit the metrics as ``gen_ai.evaluation.result`` log events, where
            the application has set a logger provider.
        charts: draw charts of runs, durations, tokens and metrics, and scalars of every model call.
        visualize: make displaCy pages of every answer.
        visualize_model: the spaCy model that draws them; ``en_core_web_sm`` by default, else any
            other installed ``en_core_web…``.
        visualize_max_words: words of an answer that its pages show; a picture of 500 is 400 kB.
        stream_logs: print each record to stdout as it happens, and log it to ClearML's console.
        store_code: keep the uncommitted diff, or the source of the entry point, on the task.
        capture_content: where prompts, answers, inputs and outputs go: a mode of
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``, which decides where this is not
            given, or a truth value; on the spans by default.
        max_content_length: characters of one text on a span; longer ones are cut and say so.
        capture_media: keep the bytes of images, audio and files in messages, as base64; by default
            only their kind, type, size and hash are kept.
        offline: write ClearML's offline session and use no network; ClearML's own
            ``CLEARML_OFFLINE_MODE`` by default.
        offline_folder: where offline sessions go; ClearML's own folder by default.
        request_timeout_s: seconds that each answer of the ClearML server is waited for.
        flush_timeout_s: seconds that a flush waits for ClearML before it goes on in the background.
        shutdown_timeout_s: seconds that the end of the program waits for ClearML.
        max_buffered_spans: spans before the sessions' tables are published as they are and new
            parts of them begin.
        spool: keep finished spans on disk until ClearML has them, so that a killed process or a
            server that is down loses none.
        spool_folder: where; the platform's folder of program states by default.
        spool_max_mb: megabytes that a process keeps there at most; the oldest spans make room.
        spool_max_age_h: hours that spans are kept at most.
        publish_interval_s: seconds between the publications of sessions that go on; 0 publishes
            at flushes, shutdown and exit only.
        trace_grace_s: seconds after which a trace without open spans is taken for whole.
        trace_quiet_s: the same where open spans cannot be counted, after the trace's entry ended.
        trace_idle_s: seconds without a new span after which a trace that has no end is published.
        checkpoint_s: seconds after which a trace that goes on is published as it is.
        late_window_s: seconds for which a span that comes late makes a new revision of its trace;
            one that comes later still, and has no place in it any more, is listed.
        max_span_age_s: seconds after which an open span is given up as abandoned; 0 for never.
    """

    project_name: str = "LangChain"
    task_name: str = ""
    task_type: str = "inference"
    tags: tuple[str, ...] = ()
    task_per: str = "process"
    session_name: str = ""
    trace_url: str = ""
    complexity_metrics: bool = True
    readability: str = ENGINE
    readability_max_words: int = 2_000
    evaluation_events: bool = False
    charts: bool = True
    visualize: bool = False
    visualize_model: str = ""
    visualize_max_words: int = 500
    stream_logs: bool = False
    store_code: bool = False
    capture_content: bool | str = ""
    max_content_length: int = 262_144
    capture_media: bool = False
    offline: bool = False
    offline_folder: str = ""
    request_timeout_s: float = 10.0
    flush_timeout_s: float = 10.0
    shutdown_timeout_s: float = 10.0
    max_buffered_spans: int = 50_000
    spool: bool = True
    spool_folder: str = ""
    spool_max_mb: int = 512
    spool_max_age_h: int = 48
    publish_interval_s: float = 10.0
    trace_grace_s: float = 2.0
    trace_quiet_s: float = 10.0
    trace_idle_s: float = 60.0
    checkpoint_s: float = 300.0
    late_window_s: float = 600.0
    max_span_age_s: float = 3_600.0

    @classmethod
    def load(cls, **keywords: object) -> Settings:
        """The settings in force.

        Args:
            keywords: fields of this class; None stands for "not given".

        Raises:
            SettingsError: for the first setting that is unknown or cannot be used.
        """
        settings, problems = _load(keywords, os.environ)
        if problems:
            raise SettingsError(_with_source(*problems[0], keywords))
        return settings

    @classmethod
    def load_or_repair(cls, **keywords: object) -> Settings:
        """The settings in force; each one that cannot be used is logged and replaced.

        For the doors that may not fail: an exporter's constructor runs while OpenTelemetry
        starts, and an error there would cost the application all its tracing.
        """
        settings, problems = _load(keywords, os.environ)
        for name, message in problems:
            used = f"{getattr(settings, name)!r} is used" if hasattr(settings, name) else "ignored"
            text = f"clearml-otel: {_with_source(name, message, keywords)}; {used}"
            report(f"settings.{name}", text, level=logging.ERROR)
        return settings

    @property
    def keeps_content(self) -> bool:
        """Whether prompts, answers and texts that may quote them are kept anywhere."""
        return bool(capture_from(self.capture_content, os.environ))

    def as_text(self) -> str:
        """The settings one a line, for the task's configuration."""
        return "\n".join(f"{item.name} = {getattr(self, item.name)!r}" for item in fields(self))


def offline_mode(environ: Mapping[str, str]) -> bool:
    """ClearML's own switch: on for anything but an empty or false value (it may be a version)."""
    return environ.get("CLEARML_OFFLINE_MODE", "").strip().lower() not in _FALSE


def _with_source(name: str, message: str, keywords: Mapping[str, object]) -> str:
    """The problem of a setting, with the variable that it comes from if it comes from one."""
    variable = ENV_PREFIX + name.upper()
    by_variable = keywords.get(name) is None and variable in os.environ
    return f"{message} (set by {variable})" if by_variable and variable not in message else message


def _load(
    keywords: Mapping[str, object], environ: Mapping[str, str]
) -> tuple[Settings, list[Problem]]:
    problems: list[Problem] = []
    known = {item.name: item for item in fields(Settings)}
    for name in keywords.keys() - known.keys():
        close = ", ".join(sorted(known))
        problems.append((name, f"unknown setting {name!r}; the settings are {close}"))
    values: dict[str, Any] = {"offline": offline_mode(environ)}
    for name, item in known.items():
        variable = ENV_PREFIX + name.upper()
        given = keywords.get(name)
        source = name
        if given is None and environ.get(variable, "").strip():
            given, source = environ[variable].strip(), variable
        if given is None:
            continue
        try:
            values[name] = _PARSERS[str(item.type)](given)
        except (ValueError, TypeError) as error:
            problems.append((name, f"{source}={given!r}: {error}"))
    settings = replace(Settings(), **values)
    return _checked(settings, problems), problems


def _checked(settings: Settings, problems: list[Problem]) -> Settings:
    repaired: dict[str, Any] = {}
    if settings.task_type not in TASK_TYPES:
        known = ", ".join(TASK_TYPES)
        problems.append(("task_type", f"task_type={settings.task_type!r} is none of {known}"))
        repaired["task_type"] = "inference"
    if settings.task_per not in TASKS_PER:
        known = ", ".join(TASKS_PER)
        problems.append(("task_per", f"task_per={settings.task_per!r} is none of {known}"))
        repaired["task_per"] = "process"
    if settings.readability not in ENGINES:
        known = ", ".join(ENGINES)
        problems.append(("readability", f"readability={settings.readability!r} is none of {known}"))
        repaired["readability"] = ENGINE
    given = settings.capture_content
    if isinstance(given, str) and given and not is_mode(given):
        problem = f"capture_content={given!r} is none of {ALLOWED}; no content is captured"
        problems.append(("capture_content", problem))
        repaired["capture_content"] = False
    if settings.trace_url and (wrong := _wrong_trace_url(settings.trace_url)):
        problems.append(("trace_url", f"trace_url {wrong}; no links are made"))
        repaired["trace_url"] = ""
    if not settings.request_timeout_s:
        problems.append(("request_timeout_s", "request_timeout_s=0 leaves no time for an answer"))
        repaired["request_timeout_s"] = Settings().request_timeout_s
    for name in ("spool_folder", "offline_folder"):
        folder: str = getattr(settings, name)
        if folder:
            repaired[name], wrong = _whole_path(folder)
            problems += [(name, f"{name}={folder!r} {wrong}")] if wrong else []
    for name in ("project_name", "task_name"):
        value: str = getattr(settings, name)
        if name == "task_name" and not value:
            repaired[name] = _program_name()
        elif len(value.strip()) < _SHORTEST_NAME:
            longer = f"{name.removesuffix('_name')} {value}".strip()
            advice = f"use a longer one (in this run: {longer!r})"
            least = f"shorter than ClearML's {_SHORTEST_NAME} characters"
            problems.append((name, f"{name}={value!r} is {least}; {advice}"))
            repaired[name] = longer
    return replace(settings, **repaired)


def _whole_path(folder: str) -> tuple[str, str]:
    """A folder that stays where it is when the program changes its own, and what is wrong with it.

    Variables of containers and services come from no shell, which would have put in the home.
    """
    try:
        path = os.path.abspath(os.path.expanduser(folder))
        in_the_way = os.path.exists(path) and not os.path.isdir(path)
    except (OSError, ValueError) as error:
        return "", f"cannot be used: {error}"
    if "\0" in folder:
        return "", "cannot be used: it has a null character in it"
    return ("", "is a file; name a folder") if in_the_way else (path, "")


def _wrong_trace_url(template: str) -> str:
    """What is wrong with it; its text is not repeated, for it may hold a password."""
    try:
        url = urlsplit(template)
    except ValueError as error:
        return f"is no URL ({error})"
    if url.scheme not in {"http", "https"} or not url.netloc:
        return "is no http:// or https:// URL"
    if "@" in url.netloc:
        return "has a user or password in it, which would be shown in ClearML; leave them out"
    return "" if "{trace_id}" in template else "has no {trace_id} in it"


def _program_name() -> str:
    """The name of the running program, as the default task name."""
    stem = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] not in {"", "-c", "-m"} else ""
    return stem if len(stem) >= _SHORTEST_NAME and not stem.startswith("-") else "langchain"


def _text(value: object) -> str:
    if isinstance(value, (str, Path)):
        return str(value)
    raise TypeError("is not text")


def _mode(value: object) -> bool | str:
    # nothing is no text here: the default would capture what somebody wanted kept out
    return value if isinstance(value, bool) else str(value)


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("is neither true nor false")


def _seconds(value: object) -> float:
    number = float(str(value))
    if not 0 <= number <= _LARGEST_TIMEOUT_S:
        raise ValueError(f"is not between 0 and {_LARGEST_TIMEOUT_S:.0f} seconds")
    return number


def _count(value: object) -> int:
    number = int(str(value))
    if number < 1:
        raise ValueError("is less than 1")
    if number > _LARGEST_COUNT:
        raise ValueError(f"is more than {_LARGEST_COUNT}")
    return number


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, Iterable):
        return tuple(_text(part) for part in cast("Iterable[object]", value))
    raise TypeError("is no list of texts")


_PARSERS: Final[Mapping[str, Callable[[object], object]]] = {
    "str": _text,
    "bool": _truth,
    "bool | str": _mode,
    "float": _seconds,
    "int": _count,
    "tuple[str, ...]": _texts,
}
