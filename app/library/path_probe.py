"""Checks whether a folder is there without waiting for a disk that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from indexer.collection.storage.store import url_of

PATIENCE = 2.0  # seconds for a disk to answer; one that sleeps may take longer, and is asked again
FRESH = 3.0  # seconds for which an answer counts

_looks: dict[Path, _Look] = {}
_lock = threading.Lock()


class _Look:
    """One question to a disk, asked by a thread: a network drive that went away may never answer."""

    def __init__(self, place: Path) -> None:
        self.found: bool | None = None
        self.done = threading.Event()
        self.began = time.monotonic()
        self._place = place
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        try:
            self.found = self._place.exists()
        except OSError:  # no permission on the way: whoever opens it is told
            self.found = True
        self.done.set()

    @property
    def is_old(self) -> bool:
        return self.done.is_set() and time.monotonic() - self.began > FRESH


def begin(places: Iterable[Path]) -> None:
    """Ask for several at once, so that those that do not answer are waited for together."""
    for place in places:
        if url_of(place) is None:
            _look_at(place)


def is_there(place: Path) -> bool | None:
    """Whether a folder is there; None while its disk does not answer. A URL counts as there: no network is asked."""
    if url_of(place) is not None:
        return True
    look = _look_at(place)
    look.done.wait(max(0.0, look.began + PATIENCE - time.monotonic()))
    return look.found


def _look_at(place: Path) -> _Look:
    with _lock:
        look = _looks.get(place)
        if look is None or look.is_old:
            look = _looks[place] = _Look(place)
        return look
