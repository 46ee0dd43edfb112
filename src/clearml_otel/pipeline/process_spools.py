"""The spools of this process, and the look at what others left in their folders."""

from __future__ import annotations

import logging
import math
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
        self._lock = threading.Lock()
        self._spools: dict[_Key, Spool] = {}
        self._users = 0
        self._folders: dict[Path, None] = {}
        self._look_at = 0.0
        self._looking: threading.Thread | None = None
        self._exit_timeout_s = 0.0
        self._leaves = False

    def open(self, settings: Settings) -> Spool:
        """The spool for these settings, until :meth:`release`."""
        key = settings.spool_folder, settings.spool
        with self._lock:
            if not self._users:
                lifecycle.register(self, last=True)
                worker.add(self)
                self._look_at = time.monotonic() + _FIRST_LOOK_S
                self._leaves = False
            self._users += 1
            self._exit_timeout_s = settings.shutdown_timeout_s
            if key not in self._spools:
                self._spools[key] = Spool(
                    settings.spool_folder,
                    on_disk=settings.spool,
                    max_bytes=settings.spool_max_mb * _MEGABYTE,
                    max_age_s=settings.spool_max_age_h * _HOUR_S,
                )
                self._folders |= dict.fromkeys(self._spools[key].folders)
            return self._spools[key]

    def release(self, spool: Spool) -> None:
        """A pipeline is closed; with the last one the files are let go of."""
        with self._lock:
            self._users = max(self._users - 1, 0)
            if self._users:
                return
            # a pipeline may be closed after the end, by a provider's own exit handler
            released = {id(each): each for each in (*self._spools.values(), spool)}
            self._spools = {}
        self._leaves = any(each.waits for each in released.values())
        for each in released.values():
            each.close()
        worker.remove(self)

    def tick(self) -> float:
        """Once a minute: keep to the caps, and publish what dead processes left."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            for spool in self._all():
                spool.maintain()
            waits = self._found_orphans() or any(spool.left for spool in self._all())
            if waits and (self._looking is None or not self._looking.is_alive()):
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
            self._users = 0
        lifecycle.unregister(self)
        worker.remove(self)
        # ClearML does not take our own just now
        delivers = not self._leaves and not any(spool.waits for spool in spools)
        for spool in spools:
            spool.close()
        if delivers and self._looking is None and self._found_orphans():
            self._deliver(time.monotonic() + self._exit_timeout_s)
        self._folders.clear()

    def after_fork(self) -> None:
        """In a forked child: the files are the parent's, and so is what others left."""
        self._lock = threading.Lock()
        self._looking = None
        for spool in self._spools.values():
            spool.abandon()

    def _all(self) -> list[Spool]:
        with self._lock:
            return list(self._spools.values())

    def _found_orphans(self) -> bool:
        own = self._own_paths()
        return any(
            path not in own
            for folder in list(self._folders)
            for path in spool_folder.spools(folder)
        )

    def _own_paths(self) -> set[Path]:
        return {spool.path for spool in self._all() if spool.path is not None}

    def _deliver(self, deadline: float = math.inf) -> None:
        for spool in self._all():
            if spool.left and spool.path is not None:
                for each in orphans.deliver_own(spool.path, frozenset(spool.left)):
                    if not each.problem:
                        spool.left.discard(each.left.stream)
        found = orphans.deliver(list(self._folders), own=self._own_paths(), deadline=deadline)
        for each in found:
            if each.problem:
                report(
                    "orphans.waiting",
                    f"{each.left.spans} spans that another process left are not in ClearML yet: "
                    f"{each.problem} (they are kept and tried again)",
                )
                if each.unreachable:
                    break
                continue
            report(
                f"orphans.delivered.{each.left.stream}",
                f"{each.left.spans} spans that another process left are in {each.location} now",
                level=logging.INFO,
            )
        orphans.drop_old(list(self._folders), self._own_paths())


spools: Final = ProcessSpools()
"""The spools of this process."""
