"""Computes the map and the duplicates of a collection once, in the background.

The map and the duplicates take from a second to minutes. Each is made in a thread of the server, once for all windows,
and kept as long as the images stay the same; tags and exclusions change nothing in it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

from core.errors import ClipdexError
from indexer.collection.index_files.row_pairing import digest

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

MOST_KEPT = 16
Progress: TypeAlias = Callable[[str, int, int], None]
Make: TypeAlias = Callable[["Snapshot", Progress], Any]


@dataclass
class BackgroundWork:
    """Something that is being made, or is there. Only its own thread changes it."""

    number: int
    began: float = field(default_factory=time.monotonic)
    stage: str = ""
    part: float = 0.0  # of the stage, from 0 to 1
    value: Any = None
    error: str = ""
    is_over: bool = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


_lock = threading.Lock()
_numbers = itertools.count(1)
_works: dict[tuple[str, str, str], BackgroundWork] = {}
_digests: WeakKeyDictionary[Snapshot, str] = WeakKeyDictionary()


def mark(snapshot: Snapshot) -> str:
    """What changes when images come, go or change, and never with tags."""
    with _lock:
        known = _digests.get(snapshot)
    if known is None:
        known = digest(snapshot.images, "images")[:24]
        with _lock:
            _digests[snapshot] = known
    return known


def start(name: str, snapshot: Snapshot, make: Make) -> BackgroundWork:
    """The work of a name on these images, begun now if it was not before."""
    key = (name, str(snapshot.collection.path), mark(snapshot))
    with _lock:
        if key in _works:
            return _works[key]
        work = _works[key] = BackgroundWork(next(_numbers))
        for old in [other for other, one in _works.items() if other[:2] == key[:2] and other != key and one.is_over]:
            del _works[old]  # of images that have changed since
        while len(_works) > MOST_KEPT:
            del _works[next(iter(_works))]
    threading.Thread(target=_make, args=(work, snapshot, make), daemon=True).start()
    return work


def get(name: str, snapshot: Snapshot) -> BackgroundWork | None:
    """The work of a name on these images, if it was begun."""
    key = (name, str(snapshot.collection.path), mark(snapshot))
    with _lock:
        return _works.get(key)


def discard(name: str, snapshot: Snapshot) -> None:
    """Forget it, so that it is made anew when it is next wanted."""
    key = (name, str(snapshot.collection.path), mark(snapshot))
    with _lock:
        _works.pop(key, None)


def _make(work: BackgroundWork, snapshot: Snapshot, make: Make) -> None:
    def tell(stage: str, done: int, of: int) -> None:
        work.stage, work.part = stage, done / max(1, of)

    try:
        work.value = make(snapshot, tell)
    except ClipdexError as error:
        work.error = str(error)
    except Exception:
        work.error = "it failed; the server's output says how"
        raise
    finally:
        work.is_over = True
