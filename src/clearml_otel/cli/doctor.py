"""``clearml-otel doctor``: what is set, what is there, what waits, why, and what to do."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from rich.console import Console
from rich.text import Text

from clearml_otel.clearml.connection import Connection
from clearml_otel.clearml.offline import default_root
from clearml_otel.clearml.transport import TransportError
from clearml_otel.cli.tables import cell_text
from clearml_otel.pipeline import orphans, spool_folder
from clearml_otel.pipeline.orphans import Left
from clearml_otel.settings import ENV_PREFIX, Settings, SettingsError
from clearml_otel.version import __version__

_PACKAGES: Final = (
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation",
    "clearml",
    "langchain-core",
    "langchain",
    "pandas",
    "textstat",
    "spacy",
)
_PAIR: Final = ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY")
_MARKS: Final = {"ok": ("ok", "green"), "note": ("--", "dim"), "bad": ("!!", "red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``ok``, ``note`` or ``bad``; a bad one says what to do."""

    kind: Literal["ok", "note", "bad"]
    text: str


def run_doctor(timeout_s: float) -> int:
    """Print what was found.

    Args:
        timeout_s: seconds that the server is waited for.

    Returns:
        The exit status: 1 where something is wrong.
    """
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    # what is wrong with the settings is printed below
    logging.getLogger("clearml_otel").addHandler(logging.NullHandler())
    settings = _settings_in_force()
    status = 0
    for title, findings in (
        ("Versions", _versions()),
        ("Settings", _settings()),
        ("ClearML", _clearml(settings, timeout_s)),
        ("Spool", _spool(settings)),
    ):
        console.print(Text(title, style="bold"))
        for finding in findings:
            mark, style = _MARKS[finding.kind]
            line = Text("  ").append(mark, style=style)
            console.print(line.append(f" {cell_text(finding.text)}"))
            status = max(status, finding.kind == "bad")
    return status


def _versions() -> Iterator[Finding]:
    yield Finding("note", f"clearml-otel {__version__}, Python {platform.python_version()}")
    found: list[str] = []
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    yield Finding("note", ", ".join(found))


def _settings_in_force() -> Settings:
    try:
        return Settings.load()
    except SettingsError:
        return Settings.load_or_repair()


def _settings() -> Iterator[Finding]:
    try:
        settings = Settings.load()
    except SettingsError as error:
        yield Finding("bad", f"{error}; until then its default is used")
        settings = Settings.load_or_repair()
    defaults = Settings()
    for item in fields(settings):
        variable = ENV_PREFIX + item.name.upper()
        value = getattr(settings, item.name)
        if os.environ.get(variable, "").strip():
            yield Finding("note", f"{item.name} = {value!r} (from {variable})")
        elif value != getattr(defaults, item.name):
            yield Finding("note", f"{item.name} = {value!r}")
    yield Finding("note", "everything else has its default; keywords in the code come first")


# -- ClearML ---------------------------------------------------------------------------------


def _clearml(settings: Settings, timeout_s: float) -> Iterator[Finding]:
    if settings.offline:
        folder = settings.offline_folder or str(default_root())
        yield Finding("note", f"offline: sessions go to {folder}; no server is asked")
        return
    credentials = _credentials()
    yield credentials
    if credentials.kind == "bad":
        return
    began = time.monotonic()
    try:
        connection = Connection((min(3.0, timeout_s), timeout_s))
    except TransportError as error:
        yield Finding("bad", str(error))
        return
    host = connection.host
    connection.close()
    took = time.monotonic() - began
    yield Finding("ok", f"{host} answers and takes the credentials ({took:.1f} s)")


def _credentials() -> Finding:
    """Where they come from; never what they are."""
    pair = [name for name in _PAIR if os.environ.get(name, "").strip()]
    if len(pair) == len(_PAIR):
        return Finding("ok", f"credentials from {' and '.join(_PAIR)}")
    if pair:
        missing = next(name for name in _PAIR if name not in pair)
        return Finding("bad", f"{pair[0]} is set, but {missing} is not: set both")
    if os.environ.get("CLEARML_AUTH_TOKEN", "").strip():
        return Finding("ok", "credentials from CLEARML_AUTH_TOKEN")
    given = os.environ.get("CLEARML_CONFIG_FILE", "").strip() or "~/clearml.conf"
    file = Path(os.path.expanduser(given))
    with suppress(OSError):
        if "access_key" in file.read_text("utf-8", "replace"):
            return Finding("ok", f"credentials from {file}")
    return Finding(
        "bad",
        f"no credentials: {file} has none and {_PAIR[0]} is not set; run `clearml-init`, or set "
        f"CLEARML_API_HOST and {' and '.join(_PAIR)}, or CLEARML_OFFLINE_MODE=1",
    )


# -- the spool -------------------------------------------------------------------------------


def _spool(settings: Settings) -> Iterator[Finding]:
    if not settings.spool:
        yield Finding("note", "off: spans that ClearML has not taken are lost with their process")
        return
    folders = spool_folder.candidates(settings.spool_folder)
    yield _folder(folders[0])
    for path in (path for folder in folders for path in folder.glob("*.corrupt")):
        yield Finding("bad", f"{path} is damaged; what could be read was published: delete it")
    others = list(orphans.of_other_versions(folders))
    for path, version in others:
        yield Finding(
            "bad",
            f"{path} was made by another clearml-otel (its {version}): that one's "
            "`clearml-otel upload` delivers it; or delete it",
        )
    found = orphans.waiting(folders)
    if not found and not others:
        yield Finding("ok", "nothing waits")
    for left in found:
        yield _waiting(left)


def _folder(folder: Path) -> Finding:
    try:
        spool_folder.make_folder(folder)
        probe = spool_folder.new_path(folder).with_suffix(".probe")
        spool_folder.prepared(probe)
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        why = error.strerror or error
        return Finding(
            "bad",
            f"{folder} cannot be written ({why}): make it writable, or set "
            f"{ENV_PREFIX}SPOOL_FOLDER to another folder",
        )
    used = sum(spool_folder.size(path) for path in spool_folder.spools(folder))
    return Finding("ok", f"{folder}: {used / 1e6:,.1f} MB used, {free / 1e9:,.1f} GB free")


def _waiting(left: Left) -> Finding:
    settings = left.settings
    what = f"{left.spans} spans of {settings.project_name} / {settings.task_name}"
    if left.oldest:
        what += f", the oldest {_age(time.time() - left.oldest)} old"
    if left.in_use:
        return Finding("note", f"{what}: a running process's own")
    if not left.is_for_us:
        return Finding(
            "bad",
            f"{what}: for {left.destination}, not for this server: `clearml-otel upload` with that "
            "one's settings, or `clearml-otel upload --all` to send them here",
        )
    return Finding(
        "bad",
        f"{what}: left by a process that ended before ClearML took them; `clearml-otel upload`, or "
        "the next program that uses clearml-otel, delivers them once the server answers",
    )


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.0f} h"
