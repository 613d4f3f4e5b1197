"""Watches sources and syncs when files change.

The operating system tells when something changes (through watchdog), and the whole folder is looked at again then: a
stat for each file, and right whatever was told or missed. Many changes in a row make one run. Network disks tell
nothing and systems limit how many folders can be watched, so there is a look every few minutes in any case.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ClipdexError

if TYPE_CHECKING:
    from indexer.ingest.report import Report

QUIET = 2.0  # seconds without a change after which the folder is looked at: a file being copied changes all the time
LONGEST = 60.0  # seconds that changes may go on before it is looked at in any case
EVERY = 600.0  # seconds between two looks while nothing is told
AGAIN = 60.0  # seconds after a run that failed
TICK = 0.5

READING = frozenset(["opened", "closed_no_write"])  # events that change nothing; a run makes them itself


def keep_current(
    run: Callable[[], Report], changes: Changes, told: Callable[[Report | ClipdexError], None], stop: Callable[[], bool]
) -> None:
    """Run now and whenever something changed, until `stop`. A fault is told, and the next run tried all the same."""
    while not stop():
        try:
            report: Report | ClipdexError = run()
        except ClipdexError as error:
            report = error
        told(report)
        if not stop():
            changes.wait(AGAIN if isinstance(report, ClipdexError) else EVERY, stop)


class Changes:
    """Notices changes in a folder and below it, but for hidden files and what is in `ignored`."""

    def __init__(self, folder: Path, ignored: Sequence[Path] = (), *, quiet: float = QUIET) -> None:
        self.folder, self.ignored, self.quiet = folder, [str(path) for path in ignored], quiet
        self._lock = threading.Lock()
        self._first: float | None = None  # when the first change came that nobody has looked at yet, and the last
        self._last = 0.0
        self._identity = _identity(folder)
        self._observer = self._observed()

    def wait(self, longest: float, stop: Callable[[], bool]) -> None:
        """Until there are changes and they have settled, the folder is another one than before, or time is up."""
        begun = time.monotonic()
        while not stop() and time.monotonic() - begun < longest:
            if self._folder_replaced() or self._settled():
                return
            time.sleep(min(TICK, self.quiet))
        with self._lock:
            self._first = None

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _settled(self) -> bool:
        with self._lock:
            if self._first is None:
                return False
            now = time.monotonic()
            if now - self._last < self.quiet and now - self._first < LONGEST:
                return False
            self._first = None
            return True

    def _folder_replaced(self) -> bool:
        """A disk that went and came back: whoever watched it watches nothing now."""
        found = _identity(self.folder)
        if found == self._identity:
            return False
        self._identity = found
        self.close()
        self._observer = self._observed()
        return found is not None

    def _observed(self) -> Any:
        """An observer of the folder, or None where there can be none: then it is looked at from time to time."""
        try:
            from watchdog.events import FileSystemEventHandler
            from watchdog.observers import Observer
        except ImportError:
            return None
        # It meets new folders inside new folders twice, which is no fault, and would say so in pages.
        warnings.filterwarnings("ignore", r"Callback with id .* already exists for watch", RuntimeWarning)
        handler = FileSystemEventHandler()
        handler.on_any_event = self._noticed  # type: ignore[method-assign]
        observer = Observer()
        try:
            observer.schedule(handler, str(self.folder), recursive=True)
            observer.start()
        except OSError:  # it is gone, or the system watches as many folders as it may
            return None
        return observer

    def _noticed(self, event: Any) -> None:
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        if event.event_type in READING or all(self._is_ignored(path) for path in paths):
            return
        with self._lock:
            self._last = time.monotonic()
            self._first = self._first or self._last

    def _is_ignored(self, path: str) -> bool:
        if any(f"{path}/".startswith(f"{place}/") for place in self.ignored):
            return True
        return any(part.startswith(".") for part in Path(os.path.relpath(path, self.folder)).parts)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
