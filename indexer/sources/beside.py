"""Which text file belongs to which picture?"""

from __future__ import annotations

from collections.abc import Iterable

from indexer.sources.base import Item


def sidecars_of(items: Iterable[Item], texts: set[str]) -> dict[str, str]:
    """Item id -> id of its text file: `photo.txt`, or else `photo.jpg.txt`, for `photo.jpg`."""
    found = {}
    for item in items:
        for name in (item.id.rpartition(".")[0] + ".txt", item.id + ".txt"):
            if name in texts:
                found[item.id] = name
                break
    return found
