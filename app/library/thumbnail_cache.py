"""Keeps thumbnails in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

MOST = 5_000  # of some 10 kB each
Mark = tuple[str, str, str]  # key of the collection, id, and what changes with the image
_kept: dict[Mark, bytes] = {}  # of all sessions; the routes read it, too
_lock = threading.Lock()


def cached(key: str, item: str, stamp: str) -> bytes | None:
    """A thumbnail that was read before; None otherwise."""
    return _kept.get((key, item, stamp)) or None


def read_thumbnails(key: str, snapshot: Snapshot, items: Sequence[str]) -> dict[str, bytes]:
    """The thumbnails of several items of a collection, those that are there. Raises CollectionError."""
    marks: dict[str, Mark] = {item: (key, item, snapshot.stamp(item)) for item in items}
    found = {item: content for item, mark in marks.items() if (content := _kept.get(mark)) is not None}
    read_now = snapshot.thumbnails([item for item in marks if item not in found])
    with _lock:
        for item, content in read_now.items():
            found[item] = _kept[marks[item]] = content
        while len(_kept) > MOST:
            del _kept[next(iter(_kept))]  # the one that came first
    return {item: content for item, content in found.items() if content}
