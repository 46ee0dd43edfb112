"""The spools of this process, and the look at what others left in their folders."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Final, TypeAlias

from clearml_otel import lifecycle
from clearml_otel.diagnostics import report
from clearml_otel.pipeline import orphans, spool_folder
from clearml_otel.pipeline.spool import Spool
from clearml_otel.pipeline.worker import worker
from clearml_otel.settings import Settings

_MEGABYTE: Final = 1_000_000
_HOUR_S: Final = 3_600.0
_FIRST_LOOK_S: Final = 1.0
_LOOK_EVERY_S: Final = 60.0

_Key: TypeAlias = "tuple[str, bool]"


class ProcessSpools:
    """Shared by all pipelines of the process: one file each would be many in a busy service."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._spools: dict[_Key, Spool] = {}
        self._look_at = 0.0
        self._looking: threading.Thread | None = None
        self._exit_timeout_s = 0.0

    def of(self, settings: Settings) -> Spool:
        """The spool for these settings."""
        key = settings.spool_folder, settings.spool
        with self._lock:
            if not self._spools:
                lifecycle.register(self, last=True)
                worker.add(self)
                self._look_at = time.monotonic() + _FIRST_LOOK_S
            self._exit_timeout_s = max(self._exit_timeout_s, settings.shutdown_timeout_s)
            if key not in self._spools:
                self._spools[key] = Spool(
                    settings.spool_folder,
                    on_disk=settings.spool,
                    max_bytes=settings.spool_max_mb * _MEGABYTE,
                    max_age_s=settings.spool_max_age_h * _HOUR_S,
                )
            return self._spools[key]

    def tick(self) -> float:
        """Once a minute: keep to the caps, and publish what dead processes left."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            for spool in self._all():
                spool.maintain()
            if self._found_orphans() and (self._looking is None or not self._looking.is_alive()):
                self._looking = threading.Thread(
                    target=self._deliver, name="clearml-otel-orphans", daemon=True
                )
                self._looking.start()
        return self._look_at - now

    def close(self) -> None:
        """The process ends: what waits stays for the next one; what others left is tried now.

        A program may be too short for a look in the background.
        """
        with self._lock:
            spools, self._spools = list(self._spools.values()), {}
        lifecycle.unregister(self)
        worker.remove(self)
        delivers = all(not spool.waits for spool in spools)
        for spool in spools:
            spool.close()
        if delivers and self._looking is None and self._found_orphans(spools):
            self._deliver(spools, time.monotonic() + self._exit_timeout_s)

    def after_fork(self) -> None:
        """In a forked child: the files are the parent's, and so is what others left."""
        spools = list(self._spools.values())
        self._lock = threading.Lock()
        self._looking = None
        for spool in spools:
            spool.abandon()

    def _all(self) -> list[Spool]:
        with self._lock:
            return list(self._spools.values())

    def _found_orphans(self, spools: list[Spool] | None = None) -> bool:
        own = self._own_paths(spools)
        return any(
            path not in own
            for folder in self._folders(spools)
            for path in spool_folder.spools(folder)
        )

    def _folders(self, spools: list[Spool] | None) -> list[Path]:
        return [folder for spool in spools or self._all() for folder in spool.folders]

    def _own_paths(self, spools: list[Spool] | None) -> set[Path]:
        return {spool.path for spool in spools or self._all() if spool.path is not None}

    def _deliver(self, spools: list[Spool] | None = None, deadline: float | None = None) -> None:
        found = orphans.deliver(
            self._folders(spools), own=self._own_paths(spools), deadline=deadline
        )
        for each in found:
            if each.problem:
                report(
                    "orphans.waiting",
                    f"{each.left.spans} spans that another process left are not in ClearML yet: "
                    f"{each.problem} (they are kept and tried again)",
                )
                return
            report(
                f"orphans.delivered.{each.left.stream}",
                f"{each.left.spans} spans that another process left are in {each.location} now",
            )


spools: Final = ProcessSpools()
"""The spools of this process."""
